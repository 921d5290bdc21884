"""Sends requests as fast as a server answers, with as little work of its own as Python allows."""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

DEPTH: Final = 25
MOST_ON_A_CONNECTION: Final = 900
"""nginx closes a connection after 1,000 requests."""


def rate(port: int, requests: Callable[[int], Iterable[bytes]], clients: int, seconds: float) -> float:
    """Gives answers a second.

    Args:
        port: of a server on this machine.
        requests: gives those of one client, whole and in HTTP/1.1; more than it can send.
        clients: how many send at once, each on one connection, and each waiting for its answer.
        seconds: how long.

    Raises:
        RuntimeError: if an answer is no success.
    """
    counts = [0] * clients
    failures: list[str] = []
    until = time.perf_counter() + seconds

    def send(client: int) -> None:
        connection = _connect(port)
        for request in requests(client):
            if time.perf_counter() > until or failures:
                break
            try:
                connection.sendall(request)
                status = _read_answer(connection)
            except ConnectionError:  # the server closes a connection now and then
                connection.close()
                connection = _connect(port)
                continue
            if status >= HTTPStatus.MULTIPLE_CHOICES:
                failures.append(f"an answer with status {status}")
            counts[client] += 1
        connection.close()

    threads = [threading.Thread(target=send, args=(client,)) for client in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return sum(counts) / (time.perf_counter() - began)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read_answer(connection: socket.socket) -> int:
    """Reads one answer to its end and gives its status."""
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _receive(connection)
    head = bytes(received[:end]).lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 : at + 30].split(b"\r\n", 1)[0]) if at >= 0 else 0
    missing = end + 4 + length - len(received)
    while missing > 0:
        missing -= len(_receive(connection))
    return int(head[9:12])


def _receive(connection: socket.socket) -> bytes:
    content = connection.recv(1 << 16)
    if not content:
        raise ConnectionResetError
    return content


def pipelined_rate(port: int, requests: list[bytes], connections: int, seconds: float) -> float:
    """Gives answers a second of a server that is faster than a client in Python: many requests are sent at once.

    Args:
        port: of a server on this machine that gives each request the same answer every time, but for its date and id.
        requests: one round, whole and in HTTP/1.1; each is repeated `DEPTH` times before its answers are read.
        connections: how many send at once.
        seconds: how long.
    """
    rounds = [(request * DEPTH, DEPTH * _length_of_answer(port, request)) for request in requests]
    counts = [0] * connections
    until = time.perf_counter() + seconds

    def send(number: int) -> None:
        while time.perf_counter() < until:
            with _connect(port) as connection:
                for _ in range(MOST_ON_A_CONNECTION // (DEPTH * len(rounds))):
                    for content, missing in rounds:
                        connection.sendall(content)
                        while missing > 0:
                            missing -= len(_receive(connection))  # noqa: PLW2901 - counts down
                    counts[number] += DEPTH * len(rounds)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def _length_of_answer(port: int, request: bytes) -> int:
    with _connect(port) as connection:
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        length = len(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
    return length + len("keep-alive") - len("close")
