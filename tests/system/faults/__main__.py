"""`make faults`: a table of what faults did to a suite under load; ends with 1 if a promise was broken."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.system.faults.compose import on_compose
from tests.system.faults.driver import Row, do, prepared
from tests.system.faults.stacks import Stack, UnavailableError, embedded, on_postgresql, on_sqlite

TIMES = 20
STACKS: dict[str, Callable[[Path], AbstractContextManager[Stack]]] = {
    "embedded": embedded,
    "sqlite": on_sqlite,
    "postgresql": on_postgresql,
    "compose": on_compose,
}
"""One process; processes on SQLite; processes on PostgreSQL; containers behind the edge."""

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Runs what was asked for and gives the exit code."""
    options = _options()
    rows = []
    for name in options.on or [*STACKS]:
        try:
            with prepared(STACKS[name], keep=options.keep) as (stack, folder):
                if options.keep:
                    console.print(f"{name}: logs are kept in {folder}")
                for note in stack.notes:
                    console.print(f"{name}: left out: {note}")
                for fault in stack.faults():
                    if options.only is None or options.only in fault.name:
                        # Drawn anew for each fault, so that one fault alone meets what it meets among all.
                        random = Random(f"{options.seed} {name} {fault.name}")
                        plan = [fault] * max(1, math.ceil(options.times * fault.share))
                        rows.append(do(stack, fault.name, plan, folder=folder, random=random, tell=console.print))
                        _tell_what_broke(rows[-1])
        except UnavailableError as error:
            console.print(f"{name}: left out: {error}")
    if options.json:
        print(json.dumps([row.document() for row in rows], indent=1))  # noqa: T201 - the answer
    else:
        Console(highlight=False, width=160).print(_table(rows))
    return 0 if rows and all(row.is_sound for row in rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.system.faults", description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES, help="kills of each process; what lasts is done less often")
    parser.add_argument(
        "--on", choices=[*STACKS], action="append", help="a stack; all that this machine can run if none"
    )
    parser.add_argument("--only", metavar="WORDS", help="only faults whose names hold these words")
    parser.add_argument("--seed", default="1", help="decides when things happen")
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    return parser.parse_args()


def _tell_what_broke(row: Row) -> None:
    for word, broken in (("lost", row.lost), ("doubled", row.doubled), ("broken", row.violations)):
        for words in broken[:20]:
            console.print(f"[red]{word}[/]: {escape(words)}")


def _table(rows: list[Row]) -> Table:
    table = Table("suite", "fault", "times", "requests", "refused", "no answer", "updates", "runs")
    for heading in ("lost", "doubled", "broken", "longest recovery"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.stack,
            row.fault,
            str(row.times),
            f"{row.requests:,}",
            ", ".join(f"{count} × {status}" for status, count in row.errors.items()) or "0",
            str(row.unanswered),
            f"{row.updates:,}",
            ", ".join(f"{count} {state}" for state, count in row.runs.items()),
            str(len(row.lost)),
            str(len(row.doubled)),
            str(len(row.violations)),
            f"{row.longest_recovery_seconds} s",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
