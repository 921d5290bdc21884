"""Progress bars for what takes longer than a second: imports and runs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from services.client import SuiteClient, SuiteError

OnProgress = Callable[..., None]
"""Is told (done, total), and what is being done if there is more to say."""

STEPS = ("read", "fit", "calibrate", "export", "evaluate", "submit")


@dataclass(frozen=True)
class ImportResult:
    """What became of the lines of one import."""

    read: int
    accepted: int
    refused: int
    duplicates: int
    without_category: int
    unknown_columns: list[str]

    def remarks(self) -> Iterator[str]:
        """Says what of the file teaches nothing, a line for each reason; most often a column's name is misspelt."""
        if self.unknown_columns:
            yield f"columns that are not known were left out: {', '.join(self.unknown_columns)}"
        if self.without_category:
            yield f"{self.without_category} lines came without a category; nothing is learned from them until labelled"


def follow_import(
    client: SuiteClient, lines: Iterable[bytes], *, source: str, source_kind: str, console: Console
) -> ImportResult:
    """Hands in reports and shows how far it is; refused lines are printed with their reason.

    Raises:
        SuiteError: if the import ended early; what was accepted until then stays, and a repeat skips it.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed} lines"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Importing", total=None)
        sent = _counted(lines, lambda: progress.advance(task))
        for event in client.import_reports(sent, source=source, source_kind=source_kind):
            if "line" in event:
                console.print(f"line {event['line']}: {event['problem'].get('detail') or event['problem']['title']}")
            if event.get("done"):
                return ImportResult(**{name: event[name] for name in ImportResult.__annotations__})
    raise SuiteError("the import broke off; send the same file again, what was accepted is not taken twice")


def _counted(lines: Iterable[bytes], advance: Callable[[], None]) -> Iterator[bytes]:
    """Hands lines on and counts them; httpx reads no answer before it has sent them all."""
    for line in lines:
        yield line
        if line.strip():
            advance()


def step_columns() -> tuple[ProgressColumn, ...]:
    """Gives the columns of a bar for each step of a run; the last one takes the room that is left."""
    note = TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    return TextColumn("{task.description:<9}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), note


class StepBars:
    """Bars for work whose steps are not known before: each is shown from when it starts."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, step: str) -> OnProgress:
        """Gives what a step tells how far it is; the step before is over."""
        self.finish()
        task = self._progress.add_task(step, total=1, note="")

        def report(done: int, total: int, note: str | None = None) -> None:
            self._progress.update(task, completed=done, total=max(total, 1), note=note or "")

        return report

    def finish(self) -> None:
        """Fills the bar of the last step."""
        for task in self._progress.tasks[-1:]:
            self._progress.update(task.id, completed=task.total, note="")


def follow_run(client: SuiteClient, run_id: str, console: Console) -> dict[str, Any]:
    """Shows a run's steps as they go and gives the run as it ended."""
    with Progress(*step_columns(), console=console, expand=True) as progress:
        tasks = {step: progress.add_task(step, total=1, start=False, note="") for step in STEPS}
        for kind, content in client.follow_run(run_id):
            if kind == "progress" and content["step"] in tasks:
                task = tasks[content["step"]]
                progress.start_task(task)
                progress.update(task, completed=content["done"], total=content["total"], note=content.get("note") or "")
    return client.get(f"/training/v1/runs/{run_id}")
