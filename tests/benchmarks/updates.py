"""Update checks a second through the edge, against plain nginx that serves one file of that size."""

import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from services.embedded import DataDirectory
from services.registry.app import create_app
from tests.benchmarks.hammer import pipelined_rate
from tests.benchmarks.result import Result
from tests.system.suite import ROOT, free_port, until

EDGE = ROOT / "services" / "edge"
CONNECTIONS = 4
ROUNDS = 7
SECONDS = 1.0
BUDGET_RATIO = 0.5
TIMESTAMP = "/tuf/metadata/timestamp.json"
NEXT_ROOT = "/tuf/metadata/2.root.json"
"""A phone asks first whether there is a newer root; as long as there is none, that is not found."""

PLAIN = """
worker_processes 1;
pid {folder}/plain.pid;
error_log {folder}/plain-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/plain-access.log;
    sendfile on;
    tcp_nopush on;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def benchmark() -> list[Result]:
    """Measures with nginx of Debian's package; gives nothing where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is somebody else
        _publish(folder)
        edge_port, plain_port = free_port(), free_port()
        (folder / "plain.conf").write_text(PLAIN.format(folder=folder, port=plain_port))
        edge = _relocated_edge(folder, edge_port)
        with _nginx(program, edge, edge_port), _nginx(program, folder / "plain.conf", plain_port):
            timestamp, root = _get(TIMESTAMP), _get(NEXT_ROOT)
            rounds = [
                (
                    pipelined_rate(edge_port, [root, timestamp], CONNECTIONS, SECONDS) / 2,
                    pipelined_rate(edge_port, [timestamp], CONNECTIONS, SECONDS),
                    pipelined_rate(plain_port, [timestamp], CONNECTIONS, SECONDS),
                )
                for _ in range(ROUNDS)
            ]
    checks, _, plain = (statistics.median(side) for side in zip(*rounds, strict=True))
    ratio = statistics.median(file / peer for _, file, peer in rounds)
    return [
        Result(
            "update checks through the edge",
            f"{checks:,.0f} checks a second",
            f"plain nginx {plain:,.0f} files",
            f"{ratio:.2f} a file",
            f"at least {BUDGET_RATIO}",
            ratio >= BUDGET_RATIO,
        )
    ]


def _publish(folder: Path) -> None:
    """Makes a repository as the registry does, and lets nginx read it."""
    data = DataDirectory(folder / "var")
    data.prepare()
    create_app(data.registry())
    shutil.copytree(data.registry().publish_dir, folder / "tuf", ignore=shutil.ignore_patterns(".*"))
    for path in [folder / "tuf", *(folder / "tuf").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _relocated_edge(folder: Path, port: int) -> Path:
    """Copies the edge's configuration; only places and ports are others, and TLS is left to those who measure TLS."""
    shutil.copytree(EDGE, folder / "edge")
    main = folder / "edge" / "nginx.conf"
    text = re.sub(r"    server \{\n        listen 8443 ssl.*?\n    \}\n", "", main.read_text(), flags=re.DOTALL)
    text = text.replace("worker_processes auto", "worker_processes 1").replace("/tmp/", f"{folder}/")
    main.write_text(text.replace("listen 8080", f"listen 127.0.0.1:{port}"))
    for name, old, new in (
        ("site.conf", "/srv/quietline", str(folder)),
        ("log.conf", "/dev/stderr", f"{folder}/edge-access.log"),
    ):
        file = folder / "edge" / name
        file.write_text(file.read_text().replace(old, new))
    return main


@contextmanager
def _nginx(program: str, configuration: Path, port: int) -> Iterator[None]:
    log = configuration.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen([program, "-c", str(configuration), "-g", "daemon off;"], stdout=file, stderr=file)
    try:
        until(lambda: _answers(port), f"nginx answers: {log.read_text()[-500:]}", 15)
        yield
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{TIMESTAMP}").is_success
    except httpx.TransportError:
        return False


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
