"""Intake, imports and snapshots as the table of reports grows to a million rows.

    python -m tests.benchmarks.growth [postgresql|sqlite] [REPORTS]     one size after the other, a line of JSON each

`make bench` does it up to a tenth of that. Each size is imported on top of the one before: as a file over HTTP, masked,
with campaigns, and committed for good. Then single reports come in, alternating with a bare handler (`bare_intake`)
whose table holds as many rows, and a snapshot is frozen.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from services.client import SuiteClient
from services.embedded import DataDirectory
from tests.benchmarks.hammer import rate
from tests.benchmarks.intake import CLIENTS, SECONDS, serving, some_reports
from tests.benchmarks.messages import many
from tests.benchmarks.result import Result
from tests.system.faults.postgresql import programs, running_server
from tests.system.suite import free_port

REPORTS = 1_000_000
SIZES = (0.01, 0.1, 0.25, 0.5, 1.0)
"""As shares of all."""
IN_MAKE_BENCH = 100_000
ROUNDS = 5
BUDGET_SECONDS_A_MILLION = 600.0
BUDGET_RATIO = 0.5
FILL = text(
    "INSERT INTO reports WITH RECURSIVE rows(n) AS (SELECT :begin + 1 UNION ALL SELECT n + 1 FROM rows WHERE n < :end) "
    "SELECT 'filled-' || n, '1069012345', '本周末全场五折，满三百减五十，退订回T', '2025-01-01T00:00:00Z' FROM rows"
)


@dataclass(frozen=True)
class Size:
    """What was measured when so many reports were there.

    `imported` came in since the size before, in `import_seconds`; `resident_mib` is what the service held then.
    """

    reports: int
    imported: int
    import_seconds: float
    resident_mib: float
    reports_a_second: float
    bare_a_second: float
    ratio: float
    snapshot_seconds: float

    @property
    def lines_a_second(self) -> float:
        return self.imported / self.import_seconds


def benchmark() -> list[Result]:
    """Measures where PostgreSQL is installed; on SQLite elsewhere."""
    backend = "SQLite" if programs() is None else "PostgreSQL"
    first, *_, last = measure(backend.lower(), IN_MAKE_BENCH, SIZES)
    pace, early = last.lines_a_second, first.lines_a_second
    needed = 1_000_000 / BUDGET_SECONDS_A_MILLION
    return [
        Result(
            f"import into {last.reports:,} reports on {backend}",
            f"{pace:,.0f} lines a second",
            f"into an empty table {early:,.0f}",
            f"{pace / early:.2f} times",
            f"at least {needed:,.0f} a second",
            pace >= needed,
        ),
        Result(
            f"report intake beside {last.reports:,} reports",
            f"{last.reports_a_second:.0f} reports a second",
            f"bare Flask insert {last.bare_a_second:.0f}",
            f"{last.ratio:.2f}",
            f"at least {BUDGET_RATIO}",
            last.ratio >= BUDGET_RATIO,
        ),
    ]


def measure(backend: str, reports: int, shares: tuple[float, ...]) -> Iterator[Size]:
    """Yields what was measured at each size."""
    lines = _lines(reports)
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        data = DataDirectory(folder / "var")
        data.prepare()
        ours, bare = data.ingestion().database_url, f"sqlite:///{folder / 'bare.sqlite'}"
        if backend == "postgresql":
            bin_folder = programs()
            assert bin_folder is not None, "PostgreSQL is not installed; Debian's package is postgresql"
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
        pid = exits.enter_context(serving(folder, ports[0], *start, **environment))
        exits.enter_context(serving(folder, ports[1], "tests.benchmarks.bare_intake", bare, str(ports[1])))
        key = data.admin_key()
        client = exits.enter_context(closing(SuiteClient(f"http://127.0.0.1:{ports[0]}", key)))
        there = 0
        for share in shares:
            size = int(share * reports)
            import_seconds = _import(client, lines, size - there)
            _fill(bare, there, size)
            resident_mib = _resident_mib(pid)
            rates = [
                tuple(rate(port, lambda one: some_reports(key, one), CLIENTS, SECONDS) for port in ports)
                for _ in range(ROUNDS)
            ]
            yield Size(
                reports=size,
                imported=size - there,
                import_seconds=import_seconds,
                resident_mib=resident_mib,
                reports_a_second=statistics.median(our for our, _ in rates),
                bare_a_second=statistics.median(its for _, its in rates),
                ratio=statistics.median(our / its for our, its in rates),
                snapshot_seconds=_freeze(client),
            )
            there = size


def _lines(count: int) -> Iterator[bytes]:
    messages = many(count)
    for number, (body, category) in enumerate(zip(messages.texts, messages.categories, strict=True)):
        line = {"id": str(number), "text": body, "category": category, "reporter": f"subscriber-{number // 5}"}
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _import(client: SuiteClient, lines: Iterator[bytes], count: int) -> float:
    """Gives the seconds that so many lines took, their making left out."""
    ready = [next(lines) for _ in range(count)]
    began = time.perf_counter()
    *_, last = client.import_reports(ready, source="operator", source_kind="operator")
    assert last["done"], last
    assert last["read"] == count, last
    return time.perf_counter() - began


def _fill(bare: str, begin: int, end: int) -> None:
    """Brings the bare handler's table to a size."""
    engine = create_engine(bare)
    with engine.begin() as connection:
        connection.execute(FILL, {"begin": begin, "end": end})
    engine.dispose()


def _freeze(client: SuiteClient) -> float:
    began = time.perf_counter()
    client.post("/ingestion/v1/snapshots")
    return time.perf_counter() - began


def _resident_mib(master: int) -> float:
    """Gives the most that any process of the service's group ever held."""
    peaks = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == os.getpgid(master):
                found = re.findall(r"^VmHWM:\s+(\d+)", (folder / "status").read_text(), re.MULTILINE)
                peaks.append(int(found[0]) / 1024)
        except OSError:  # it has just ended
            continue
    return max(peaks)


def main(backend: str = "postgresql", reports: str = str(REPORTS)) -> None:
    """Prints a line of JSON for each size."""
    for size in measure(backend, int(reports), SIZES):
        document = {name: round(value, 2) for name, value in asdict(size).items()}
        sys.stdout.write(f"{json.dumps(document | {'lines_a_second': round(size.lines_a_second)})}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
