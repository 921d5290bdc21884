"""Budget 6: reports a second, against a bare Flask handler that inserts one row into the same database."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from services.embedded import DataDirectory
from tests.benchmarks.hammer import rate
from tests.benchmarks.result import Result
from tests.system.faults.postgresql import programs, running_server
from tests.system.suite import ROOT, free_port, until

CLIENTS = 16
ROUNDS = 9
SECONDS = 2.0
BUDGET_RATIO = 0.5
PATH = "/ingestion/v1/reports"
TEXTS = (
    "【安和妇幼】您预约的3月12日产检请空腹到门诊二楼抽血，如需改期请回复。",
    "老婆怀孕不方便？小妹可上门，加薇 lan7702，随叫随到。",
    "您的验证码是 604817，5分钟内有效，请勿告诉他人。",
    "本周末全场五折，满三百减五十，退订回T",
)


def benchmark() -> list[Result]:
    """Measures on SQLite as in the embedded suite, and on PostgreSQL where it is installed."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        results.append(_measure("SQLite", Path(folder), None))
    bin_folder = programs()
    if bin_folder is not None:
        with tempfile.TemporaryDirectory() as folder:
            results.append(_measure("PostgreSQL", Path(folder), bin_folder))
    return results


def _measure(name: str, folder: Path, bin_folder: Path | None) -> Result:
    data = DataDirectory(folder / "var")
    data.prepare()
    with ExitStack() as exits:
        ours, bare = data.ingestion().database_url, f"sqlite:///{folder / 'bare.sqlite'}"
        if bin_folder is not None:
            server = exits.enter_context(running_server(bin_folder, folder / "server", ("ours", "bare")))
            ours, bare = server.url("ours"), server.url("bare")
        environment = {
            "QUIETLINE_INGESTION_DATABASE_URL": ours,
            "QUIETLINE_INGESTION_SNAPSHOTS_URL": str(folder / "snapshots"),
            "QUIETLINE_INGESTION_KEYS_FILE": str(data.key_file),
        }
        migrate = "from services.ingestion import app, settings; app.migrate(settings.Settings())"
        subprocess.run([sys.executable, "-c", migrate], env=os.environ | environment, check=True)
        ports = free_port(), free_port()
        start = ("services.serving", "ingestion", f"127.0.0.1:{ports[0]}")
        exits.enter_context(serving(folder, ports[0], *start, **environment))
        exits.enter_context(serving(folder, ports[1], "tests.benchmarks.bare_intake", bare, str(ports[1])))
        rates = _alternating_rates(ports, data.admin_key())
    ratio = statistics.median(our / its for our, its in rates)
    our, its = (statistics.median(side) for side in zip(*rates, strict=True))
    spread = f"{min(o / i for o, i in rates):.2f} to {max(o / i for o, i in rates):.2f}"
    return Result(
        f"report intake on {name}, {CLIENTS} clients",
        f"{our:.0f} reports a second",
        f"bare Flask insert {its:.0f}",
        f"{ratio:.2f} ({spread})",
        f"at least {BUDGET_RATIO}",
        ratio >= BUDGET_RATIO,
    )


def _alternating_rates(ports: tuple[int, int], key: str) -> list[tuple[float, float]]:
    for port in ports:
        rate(port, lambda client: some_reports(key, client), CLIENTS, 1.0)  # caches fill, connections open
    rates = []
    for _ in range(ROUNDS):
        our, its = (rate(port, lambda client: some_reports(key, client), CLIENTS, SECONDS) for port in ports)
        rates.append((our, its))
    return rates


def some_reports(key: str, client: int) -> Iterator[bytes]:
    """Gives different reports, as phones send them: with a key of their own, so that they may be repeated."""
    at = datetime.now(UTC).isoformat()
    number = 0
    while True:
        number += 1
        text = TEXTS[(client + number) % len(TEXTS)]
        body = f'{{"sender": "1069012345", "body": "{text}", "received_at": "{at}", "consent": true}}'.encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {os.urandom(16).hex()}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


@contextmanager
def serving(folder: Path, port: int, module: str, *arguments: str, **environment: str) -> Iterator[int]:
    """Runs a server until it is given back; gives the process's id."""
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until(lambda: _answers(port), "the server answers")
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
    except httpx.TransportError:
        return False
    return True
