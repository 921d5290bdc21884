"""Memory of each service after a run and many reports, against a bare Flask handler under the same gunicorn.

The budget is what docker-compose.yml lets each container have.
"""

import os
import re
from pathlib import Path

from tests.benchmarks.hammer import rate
from tests.benchmarks.intake import CLIENTS, serving, some_reports
from tests.benchmarks.result import Result
from tests.system.faults.driver import prepared
from tests.system.faults.stacks import on_sqlite
from tests.system.suite import ROOT, free_port

SECONDS = 5.0
CONTAINERS = {"ingestion": "ingestion", "training": "training-api", "worker": "training-worker", "registry": "registry"}
UNITS = {"m": 1, "g": 1024}


def benchmark() -> list[Result]:
    """Runs the services as processes on SQLite, one run and as many reports as come in a few seconds."""
    with prepared(on_sqlite) as (stack, folder):
        rate(stack.ports["ingestion"], lambda client: some_reports(stack.key, client), CLIENTS, SECONDS)
        found = {name: _megabytes(stack.processes[name].pid) for name in CONTAINERS}
        port = free_port()
        with serving(
            folder, port, "tests.benchmarks.bare_intake", f"sqlite:///{folder / 'bare.sqlite'}", str(port)
        ) as pid:
            rate(port, lambda client: some_reports(stack.key, client), CLIENTS, SECONDS)
            peer = _megabytes(pid)
    limits = _limits()
    return [
        Result(
            f"memory of {name}",
            f"{megabytes:.0f} MB",
            f"bare Flask {peer:.0f} MB",
            f"{megabytes / peer:.1f} times",
            f"at most {limits[CONTAINERS[name]]} MB",
            megabytes <= limits[CONTAINERS[name]],
        )
        for name, megabytes in found.items()
    ]


def _megabytes(master: int) -> float:
    """Gives what a process group holds alone, and its parts of what it shares (PSS)."""
    kilobytes = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == os.getpgid(master):
                kilobytes += int(re.findall(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)[0])
        except OSError:  # it has just ended
            continue
    return kilobytes / 1024


def _limits() -> dict[str, int]:
    limits: dict[str, int] = {}
    service = ""
    for line in (ROOT / "docker-compose.yml").read_text("utf8").splitlines():
        if found := re.fullmatch(r"  ([a-z-]+):", line):
            service = found[1]
        elif found := re.fullmatch(r"    mem_limit: (\d+)([mg])", line):
            limits[service] = int(found[1]) * UNITS[found[2]]
    return limits
