"""What ingestion shows to Prometheus besides its requests."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Engine

from services.ingestion import store
from services.ingestion.reports import NewReport
from shared.categories import Category
from shared.database import reading
from shared.redaction.slots import SLOT, TYPES
from shared.web import Metrics


class Counts:
    """Counts what happens to reports."""

    def __init__(self, metrics: Metrics) -> None:
        self._accepted = metrics.counter(
            "reports_accepted_total", "Reports stored", ["way"], known=[("single",), ("import",)]
        )
        self._lines = metrics.counter(
            "import_lines_total",
            "Lines of imports by what became of them",
            ["outcome"],
            known=[("accepted",), ("duplicate",), ("refused",)],
        )
        self._masked = metrics.counter(
            "masked_slots_total", "Places masked in texts that came in", ["kind"], known=[(kind,) for kind in TYPES]
        )
        self._withdrawn = metrics.counter("reports_withdrawn_total", "Requests to withdraw a report that were met")
        self._labelled = metrics.counter(
            "labels_set_total",
            "Labels that moderators gave to single reports",
            ["category"],
            known=[(category.value,) for category in Category],
        )
        self._frozen = metrics.counter("snapshots_frozen_total", "Snapshots frozen that did not exist before")

    def accept(self, report: NewReport) -> None:
        """A report came by itself and is stored."""
        self._accepted.labels("single").inc()
        self._count_masks([report])

    def accept_batch(self, reports: Iterable[NewReport], added: int, known: int) -> None:
        """Lines of an import are stored, but for those that were known."""
        self._accepted.labels("import").inc(added)
        self._lines.labels("accepted").inc(added)
        self._lines.labels("duplicate").inc(known)
        self._count_masks(reports)

    def refuse_line(self) -> None:
        """A line of an import was no report."""
        self._lines.labels("refused").inc()

    def withdraw(self) -> None:
        """A report was withdrawn."""
        self._withdrawn.inc()

    def label(self, category: str) -> None:
        """A moderator gave a label."""
        self._labelled.labels(category).inc()

    def freeze(self) -> None:
        """A new snapshot was frozen."""
        self._frozen.inc()

    def _count_masks(self, reports: Iterable[NewReport]) -> None:
        found = Counter(kind for report in reports for kind, _ in SLOT.findall(report.text))
        for kind, times in found.items():
            self._masked.labels(kind).inc(times)


def show_states(metrics: Metrics, engine: Engine, clock: Callable[[], datetime]) -> None:
    """Shows what the database holds now."""

    def campaigns() -> float:
        with reading(engine) as session:
            return store.count_campaigns(session)

    def newest_snapshot_age_seconds() -> float | None:
        with reading(engine) as session:
            newest = store.find_snapshot(session)
        return None if newest is None else (clock() - newest.created_at).total_seconds()

    metrics.state("campaigns", "Campaigns with at least one report", campaigns)
    metrics.state(
        "newest_snapshot_age_seconds", "Time since the newest snapshot was frozen", newest_snapshot_age_seconds
    )
