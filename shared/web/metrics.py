"""The numbers that a service shows to Prometheus, the same whichever of its processes is asked.

What happens is counted by the process in which it happens. With `PROMETHEUS_MULTIPROC_DIR` set, as it must be where
gunicorn runs several workers, the counts lie in files of that folder and the page adds them up; the folder must be
emptied before a service starts. What is true now, such as the length of a queue, is read when the page is asked for.

A label's value is always a word of ours or a route as it is written in the source: never a text, a number or a token.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shared.database import DATABASE_ERRORS
from shared.web.disk import free_bytes

MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
PREFIX: Final = "quietline_"
UNREAD: Final = f"{PREFIX}unread_metrics"

Labels = tuple[str, ...]

log = structlog.get_logger()


@dataclass(frozen=True)
class Described:
    """One metric as a document names it: `name` as Prometheus shows it, `kind` as it calls the type."""

    name: str
    kind: str
    labels: Labels
    words: str


@dataclass(frozen=True)
class Spent:
    """How often something was done, and how many seconds that took in all."""

    count: int
    seconds: float


class Metrics:
    """All metrics of one service. Names get the prefix `quietline_`."""

    def __init__(self) -> None:
        self._counted = CollectorRegistry()
        self._read = CollectorRegistry()
        self._described: list[Described] = []
        self._page = _Page(self._described)
        self._read.register(self._page)

    def counter(self, name: str, words: str, labels: Sequence[str] = (), known: Iterable[Labels] = ()) -> Counter:
        """Makes a count that the processes add up.

        Args:
            name: what is counted, ending in `_total`.
            words: the same for people.
            labels: names of the labels.
            known: values of the labels that are shown from the start, as 0.
        """
        counter = Counter(PREFIX + name.removesuffix("_total"), words, labels, registry=self._counted)
        self._described.append(Described(PREFIX + name, "counter", tuple(labels), words))
        for values in known:
            counter.labels(*values)
        return counter

    def histogram(self, name: str, words: str, labels: Sequence[str] = ()) -> Histogram:
        """Makes a distribution of seconds that the processes add up."""
        self._described.append(Described(PREFIX + name, "histogram", tuple(labels), words))
        return Histogram(PREFIX + name, words, labels, registry=self._counted)

    def state(
        self, name: str, words: str, read: Callable[[], Mapping[Labels, float] | float | None], label: str | None = None
    ) -> None:
        """Shows what is true now.

        Args:
            name: what it is.
            words: the same for people.
            read: gives the value, or None if there is none; with a label, the values by label. Where a name ends in
                `_total` it only ever grows.
            label: name of the label, if there is one.
        """
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        described = Described(PREFIX + name, "counter" if kind is CounterMetricFamily else "gauge", _one(label), words)

        def families() -> Iterator[Metric]:
            family = kind(described.name, words, labels=described.labels)
            found = read()
            for values, value in (found if isinstance(found, Mapping) else {(): found}).items():
                if value is not None:
                    family.add_metric(list(values), value)
            yield family

        self._add(described, families)

    def disk_free(self, **places: str) -> None:
        """Shows how much room is left, by the name of what is kept there."""

        def free() -> dict[Labels, float]:
            found = {(name,): free_bytes(place) for name, place in places.items()}
            return {labels: float(room) for labels, room in found.items() if room is not None}

        self.state("disk_free_bytes", "Room left on the disk; nothing is shown of object stores", free, "folder")

    def spent(self, name: str, words: str, label: str, read: Callable[[], Mapping[Labels, Spent]]) -> None:
        """Shows how often things were done and how long they took in all, by label."""
        described = Described(PREFIX + name, "summary", (label,), words)

        def families() -> Iterator[Metric]:
            family = SummaryMetricFamily(described.name, words, labels=(label,))
            for values, spent in read().items():
                family.add_metric(list(values), spent.count, spent.seconds)
            yield family

        self._add(described, families)

    def _add(self, described: Described, families: Callable[[], Iterator[Metric]]) -> None:
        self._described.append(described)
        self._page.reads.append(families)

    def describe(self) -> list[Described]:
        """Gives every metric that the page can show."""
        return [*self._described, Described(UNREAD, "gauge", (), self._page.words)]

    def page(self) -> bytes:
        """Gives all numbers in the text format of Prometheus."""
        counted = self._counted
        if MULTIPROCESS_DIR in os.environ:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        return generate_latest(counted) + generate_latest(self._read)


class _Page(Collector):
    """Reads what is true now; what cannot be read is left out and counted, so that the rest is still shown."""

    words = "Metrics that could not be read just now, for example since the database does not answer"

    def __init__(self, described: list[Described]) -> None:
        self.reads: list[Callable[[], Iterator[Metric]]] = []
        self._described = described

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        unread = 0
        for read in self.reads:
            try:
                families = list(read())
            except (*DATABASE_ERRORS, OSError) as error:
                log.warning("metric_not_read", kind=type(error).__name__)
                unread += 1
            else:
                yield from families
        yield GaugeMetricFamily(UNREAD, self.words, value=unread)


def _one(label: str | None) -> Labels:
    return () if label is None else (label,)


Pairs = Iterable[tuple[Any, int]]


def by_word(pairs: Pairs) -> dict[Labels, float]:
    """Gives values by label from rows of a word and a number."""
    return {(str(word),): float(number) for word, number in pairs}
