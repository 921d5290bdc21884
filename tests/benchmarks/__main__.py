"""`make bench`: figures beside their peers of the same run and their budgets; ends with 1 if a budget is missed."""

import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tests.benchmarks import feature_speed, full_run, growth, intake, memory, scoring, updates
from tests.benchmarks.messages import many, starter
from tests.benchmarks.result import Result

console = Console(highlight=False)


def main() -> int:
    """Runs all benchmarks and prints the table."""
    messages = starter()
    benchmarks: list[tuple[str, Callable[[], list[Result]]]] = [
        ("one message on the phone", lambda: scoring.benchmark(messages)),
        ("features", lambda: feature_speed.benchmark(messages)),
        ("intake of reports", intake.benchmark),
        ("growth", growth.benchmark),
        ("update checks", updates.benchmark),
        ("memory of services", memory.benchmark),
        ("a full run", lambda: full_run.benchmark(many(full_run.MESSAGES))),
    ]
    results = []
    for name, benchmark in benchmarks:
        with console.status(f"Measuring {name}"):
            results += benchmark()
    table = Table("what", "measured", "peer, same run", "ratio", "budget", "within")
    for result in results:
        within = "[green]yes[/]" if result.within else "[red]no[/]"
        table.add_row(result.name, result.figure, result.peer or "", result.ratio, result.budget, within)
    console.print(table)
    return 0 if all(result.within for result in results) else 1


sys.exit(main())
