"""What lies between two services, and can be slow, down or cut."""

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum, auto
from typing import Final

CHUNK_BYTES: Final = 1 << 16
LOOK_SECONDS: Final = 0.05


class Weather(Enum):
    """How the connection is."""

    FAIR = auto()  # everything passes
    DOWN = auto()  # nobody listens: connections are refused, those that are open are closed
    CUT = auto()  # nothing passes, and nobody is told


class Proxy:
    """Forwards TCP connections to a port of this machine.

    Args:
        target: the port.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._weather = Weather.FAIR
        self._delay_seconds = 0.0
        self._stopped = False
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def down(self) -> AbstractContextManager[None]:
        """Lets nobody listen, for a while."""
        return self._be(Weather.DOWN)

    def cut(self) -> AbstractContextManager[None]:
        """Lets nothing pass, for a while."""
        return self._be(Weather.CUT)

    @contextmanager
    def _be(self, weather: Weather) -> Iterator[None]:
        self._weather = weather
        try:
            yield
        finally:
            self._weather = Weather.FAIR

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Keeps every answer back for so long, for a while."""
        self._delay_seconds = seconds
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    def close(self) -> None:
        self._stopped = True
        self._thread.join()
        self._listener.close()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        listener.settimeout(LOOK_SECONDS)
        return listener

    def _accept(self) -> None:
        while not self._stopped:
            if self._weather is Weather.DOWN:
                self._listener.close()
                while self._weather is Weather.DOWN and not self._stopped:
                    time.sleep(LOOK_SECONDS)
                self._listener = self._listen(self.port)
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with (
            client,
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._target), 5) as server,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self._stopped and self._weather is not Weather.DOWN:
                if self._weather is Weather.CUT:
                    time.sleep(LOOK_SECONDS)
                    continue
                for key, _ in selector.select(LOOK_SECONDS):
                    if not self._pass_on(key.fileobj, key.data, is_answer=key.fileobj is server):  # type: ignore[arg-type]
                        return

    def _pass_on(self, source: socket.socket, sink: socket.socket, *, is_answer: bool) -> bool:
        content = source.recv(CHUNK_BYTES)
        if not content:
            return False
        deadline = time.monotonic() + self._delay_seconds
        while is_answer and self._delay_seconds and time.monotonic() < deadline and not self._stopped:
            time.sleep(LOOK_SECONDS)
        sink.sendall(content)
        return True
