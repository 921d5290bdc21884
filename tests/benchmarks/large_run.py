"""A whole run on a million messages, on the processors of one machine: how long, and in how much memory.

    python -m tests.benchmarks.large_run [MESSAGES]     by itself, step by step

The worker is a real one in a process of its own, with a snapshot as ingestion freezes it; only the peers are played.
The peer is a run on a tenth of the messages: what it takes shows how a run grows.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dbos import DBOSClient

from services.training.app import migrate
from services.training.peers import Peers
from services.training.recipe import Recipe
from services.training.runs import State
from services.training.settings import Settings
from services.training.workflow import APPLICATION
from shared.auth import KeyFile
from shared.database import open_engine
from tests.benchmarks.messages import many
from tests.benchmarks.result import Result
from tests.system.suite import ROOT
from tests.training.fakes import FakeIngestion, FakeRegistry, both
from tests.training.snapshots import SCHEMA, FrozenSnapshot
from tests.training.workers import ask_for, run_of, until, working

MESSAGES = 1_000_000
BUDGET_SECONDS = 15 * 60.0
BUDGET_BYTES = 4 << 30
DEADLINE_SECONDS = 2 * 3600.0
HELD_OUT_OF_256 = 51
AT_ONCE = 10_000


def benchmark(messages: int = MESSAGES) -> list[Result]:
    """Measures a run, and a run on a tenth."""
    tenth, whole = measure(messages // 10), measure(messages)
    growth = whole["seconds"] / tenth["seconds"]
    return [
        Result(
            f"a run on {messages:,} messages",
            f"{whole['seconds']:.0f} s",
            f"on a tenth of them {tenth['seconds']:.0f} s",
            f"{growth:.1f} times",
            f"at most {BUDGET_SECONDS:.0f} s",
            whole["seconds"] <= BUDGET_SECONDS,
        ),
        Result(
            "its memory at most",
            f"{whole['bytes'] / 2**20:,.0f} MiB",
            f"on a tenth of them {tenth['bytes'] / 2**20:,.0f} MiB",
            f"{whole['bytes'] / tenth['bytes']:.1f} times",
            f"at most {BUDGET_BYTES / 2**20:,.0f} MiB",
            whole["bytes"] <= BUDGET_BYTES,
        ),
    ]


def measure(messages: int) -> dict[str, Any]:
    """Gives the `seconds` of a run, those of each of its `steps`, and the `bytes` of memory of its worker at most."""
    with tempfile.TemporaryDirectory() as folder:
        for command in ("freeze", "run"):
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.large_run", command, folder, str(messages)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                check=True,
            )
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures


def freeze(folder: Path, count: int) -> None:
    """Writes a snapshot of invented messages, each a campaign of its own."""
    messages = many(count)
    with pq.ParquetWriter(folder / "snapshot.parquet", SCHEMA, compression="zstd") as writer:
        for begin in range(0, count, AT_ONCE):
            rows = [
                _row(number, messages.texts[number], messages.categories[number])
                for number in range(begin, min(begin + AT_ONCE, count))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def _row(number: int, text: str, category: str) -> dict[str, Any]:
    digest = hashlib.sha256(str(number).encode())
    return {
        "report_id": digest.hexdigest()[:32],
        "text": text,
        "category": category,
        "topic": None,
        "campaign": digest.hexdigest()[32:48],
        "source": "benchmark",
        "source_kind": "corpus",
        "reporter_weight": 1.0,
        "language": "zh-Hans",
        "received_at": datetime(2025, 1, 1, tzinfo=UTC),
        "held_out": digest.digest()[0] < HELD_OUT_OF_256,
    }


def run(folder: Path) -> dict[str, Any]:
    """Does a run on the snapshot in the folder, in this process."""
    settings = _settings(folder)
    migrate(settings)
    ingestion = FakeIngestion()
    ingestion.add(FrozenSnapshot("snapshot-1", (folder / "snapshot.parquet").read_bytes()))
    peers = Peers.in_process(both(ingestion, FakeRegistry()), settings)
    engine = open_engine(settings.database_url)
    run_id = ask_for(engine, recipe=Recipe())
    with working(settings, peers):
        until(lambda: run_of(engine, run_id).state.is_end, "the run ends", DEADLINE_SECONDS)
    ended = run_of(engine, run_id)
    if ended.state is not State.SUCCEEDED:
        raise RuntimeError(f"the run ended as {ended.state}: {ended.ending}")
    client = DBOSClient(system_database_url=settings.dbos_database_url, application_name=APPLICATION)
    steps = {
        step["function_name"]: (step["completed_at_epoch_ms"] - step["started_at_epoch_ms"]) / 1000.0
        for step in client.list_workflow_steps(run_id)
    }
    client.destroy()
    return {
        "seconds": sum(steps.values()),
        "steps": steps,
        "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _settings(folder: Path) -> Settings:
    KeyFile(keys=()).write(folder / "keys.json")
    (folder / "peer.key").write_text("peer-key\n")
    return Settings(
        database_url=f"sqlite:///{folder / 'training.sqlite'}",
        dbos_database_url=f"sqlite:///{folder / 'dbos.sqlite'}",
        runs_url=str(folder / "runs"),
        executor_id_file=folder / "executor-id",
        keys_file=folder / "keys.json",
        peer_key_file=folder / "peer.key",
        ingestion_url="http://peers/ingestion",
        registry_url="http://peers/registry",
    )


def main(command: str = str(MESSAGES), *arguments: str) -> None:
    """Prints what a run of so many messages takes; `freeze` and `run` are what it does that in."""
    match command:
        case "freeze":
            freeze(Path(arguments[0]), int(arguments[1]))
        case "run":
            sys.stdout.write(f"{json.dumps(run(Path(arguments[0])))}\n")
        case _:
            sys.stdout.write(f"{json.dumps(measure(int(command)), indent=1)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
