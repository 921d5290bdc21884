"""Freezes the verified reports into an immutable Parquet file with a digest.

The same reports give the same file, byte for byte, under the same pyarrow. The file is written beside its place and
renamed, and the row in the database comes last: a process killed in between leaves a file that nobody names, and the
next snapshot puts it right.

What one snapshot gave to learn from, no later one holds out (services/decisions/0007). Campaigns are held out by a hash
of their id, but a near-copy that comes later may change the id; so the database remembers which patterns were learned
from. The other way round is harmless: what was held out may be learned from later, and then measures nothing any more.
"""

import hashlib
import os
import secrets
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import Engine

from services.ingestion import store
from services.ingestion.campaigns import campaign_name
from services.ingestion.reports import NothingToLearnError, SourceKind, is_held_out
from services.ingestion.store import Snapshot, VerifiedReport
from shared.database import reading, writing

SCHEMA: Final = pa.schema(
    [
        pa.field("report_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("topic", pa.string()),
        pa.field("campaign", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_kind", pa.string(), nullable=False),
        pa.field("reporter_weight", pa.float64(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("received_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),
    ]
)
ROWS_AT_ONCE: Final = 10_000
"""Also the size of a row group, so part of what the digest depends on."""
CAMPAIGN_CAP: Final = 20.0
"""All reports of one campaign weigh no more than so many."""
REPORTER_CAP: Final = 100.0
REPORTER_SHARE: Final = 0.1
"""All reports of one reporter weigh no more than the larger of `REPORTER_CAP` and this share of the snapshot."""
READ_BYTES: Final = 1 << 20
DRAFT: Final = ".draft-"
FORGOTTEN_SECONDS: Final = 3600
TICK: Final = timedelta(microseconds=1)
"""Every snapshot is at least so much later than the one before: the newest is the one frozen last, even if the clock
that was ahead was set back meanwhile."""


@dataclass(frozen=True)
class Weights:
    """How much each report counts when a model is fitted, so that no source can teach it alone."""

    campaigns: dict[int, int]
    reporters: dict[str, int]
    reporter_cap: float

    def of(self, report: VerifiedReport) -> float:
        """Gives the weight of a report, more than 0 and at most 1.

        Both caps hold because the weight is no more than either allows. A corpus is exempt from the cap per reporter,
        since it names none, and carries the weight of its source instead.
        """
        allowed = CAMPAIGN_CAP / self.campaigns.get(report.campaign, 1)
        if report.source_kind is SourceKind.CORPUS:
            return min(1.0, allowed) * report.source_weight
        return min(1.0, allowed, self.reporter_cap / self.reporters.get(report.reporter, 1))


@dataclass(frozen=True)
class Draft:
    """A snapshot whose file is complete, but which the database does not know yet.

    Attributes:
        snapshot: what the database will know.
        learned: patterns in its training part that were in none before.
        after: the newest snapshot when the reports were read.
    """

    snapshot: Snapshot
    learned: Sequence[int]
    after: Snapshot | None


class _Digesting:
    """A file that is hashed and counted as it is written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, block: Any) -> int:
        view = memoryview(block)
        self._sha256.update(view)
        self.bytes += view.nbytes
        self._file.write(view)
        return view.nbytes

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Leaves the file open: whoever opened it closes it."""

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


class SnapshotFolder:
    """Where snapshots lie: a local folder or an object store."""

    def __init__(self, filesystem: Any, path: str) -> None:
        self._filesystem = filesystem
        self._path = path.rstrip("/")

    @classmethod
    def at(cls, url: str) -> Self:
        """Gives the folder of a path or an fsspec address; it need not exist."""
        return cls(*fsspec.core.url_to_fs(url))

    def file(self, snapshot_id: str) -> str:
        """Gives the path of a snapshot."""
        return f"{self._path}/{snapshot_id}.parquet"

    def read(self, snapshot_id: str) -> Iterator[bytes]:
        """Gives the bytes of a snapshot, some at a time."""
        with self._filesystem.open(self.file(snapshot_id), "rb") as file:
            yield from iter(lambda: file.read(READ_BYTES), b"")

    def new_draft(self, now: datetime) -> str:
        """Gives a path for a file that is not whole yet, and deletes what killed processes left behind."""
        self._filesystem.makedirs(self._path, exist_ok=True)
        for path in self._filesystem.find(self._path, maxdepth=1):  # of an empty bucket too, where a listing fails
            name = path.rsplit("/", 1)[-1]
            started = name.removeprefix(DRAFT).partition("-")[0]
            if name.startswith(DRAFT) and int(started) < now.timestamp() - FORGOTTEN_SECONDS:
                self._filesystem.rm(path)
        return f"{self._path}/{DRAFT}{int(now.timestamp())}-{secrets.token_hex(4)}"

    def open_draft(self, path: str) -> Any:
        """Opens a draft for writing."""
        return self._filesystem.open(path, "wb")

    def sync(self, file: Any) -> None:
        """Brings a local file to the disk; an object store does so by itself when the file is closed."""
        if isinstance(self._filesystem, LocalFileSystem):
            file.flush()
            os.fsync(file.fileno())

    def discard(self, draft: str) -> None:
        """Deletes a draft."""
        if self._filesystem.exists(draft):
            self._filesystem.rm(draft)

    def keep(self, draft: str, snapshot_id: str) -> None:
        """Gives a whole draft its name, over whatever lay there."""
        self._filesystem.mv(draft, self.file(snapshot_id))


def freeze(engine: Engine, folder: SnapshotFolder, now: datetime) -> tuple[Snapshot, bool]:
    """Makes a snapshot of all verified reports and tells whether it is a new one.

    Raises:
        NothingToLearnError: if there are no labels, or all are the same.
    """
    while True:
        frozen = _freeze_unless_another_did(engine, folder, now)
        if frozen is not None:
            return frozen


def _freeze_unless_another_did(engine: Engine, folder: SnapshotFolder, now: datetime) -> tuple[Snapshot, bool] | None:
    """Makes a snapshot; None if another one was frozen meanwhile, since what it gave to learn from was not known."""
    path = folder.new_draft(now)
    try:
        drawn = _write(engine, folder, path, now)
        folder.keep(path, drawn.snapshot.id)
    finally:
        folder.discard(path)
    store.empty_log(engine)  # While a snapshot is read, no withdrawal can empty it.
    with writing(engine) as session:
        store.take_turns(session)
        if store.find_snapshot(session) != drawn.after:
            return None
        store.remember_training(session, drawn.learned)
        if store.add_snapshot(session, drawn.snapshot):
            return drawn.snapshot, True
        return store.freeze_again(session, drawn.snapshot.digest, drawn.snapshot.created_at), False


def _write(engine: Engine, folder: SnapshotFolder, path: str, now: datetime) -> Draft:
    counts = Counter[str]()
    held_out = 0
    learned = array("q")
    with reading(store.consistent(engine)) as session:
        after = store.find_snapshot(session)
        by_category = store.count_verified(session)
        _refuse_too_little(by_category)
        cap = max(REPORTER_CAP, REPORTER_SHARE * sum(by_category.values()))
        weights = Weights(store.frequent_campaigns(session, CAMPAIGN_CAP), store.frequent_reporters(session, cap), cap)
        with folder.open_draft(path) as file:
            digesting = _Digesting(file)
            with _parquet_writer(digesting) as writer:
                for reports in store.read_verified(session, ROWS_AT_ONCE):
                    table = _table(reports, weights)
                    writer.write_table(table, row_group_size=ROWS_AT_ONCE)
                    counts.update(table["category"].to_pylist())
                    kept = table["held_out"].to_pylist()
                    held_out += sum(kept)
                    learned.extend(_newly_learned(reports, kept))
            folder.sync(file)
    snapshot = Snapshot(
        id=digesting.digest.removeprefix("sha256:")[:16],
        digest=digesting.digest,
        created_at=now if after is None else max(now, after.created_at + TICK),
        reports=counts.total(),
        held_out=held_out,
        bytes=digesting.bytes,
        by_category=dict(sorted(counts.items())),
    )
    return Draft(snapshot, learned, after)


def _newly_learned(reports: list[VerifiedReport], held_out: list[bool]) -> Iterator[int]:
    for report, is_kept in zip(reports, held_out, strict=True):
        if not is_kept and not report.in_training:
            yield report.pattern


def _refuse_too_little(by_category: dict[str, int]) -> None:
    if not by_category:
        raise NothingToLearnError("No report has a label yet. Label reports, or import some with categories.")
    if len(by_category) == 1:
        raise NothingToLearnError("All labels are of one category, which teaches nothing. Label some of another one.")


def _parquet_writer(sink: _Digesting) -> pq.ParquetWriter:
    """Opens a writer all of whose settings are fixed, since the digest depends on them."""
    return pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        SCHEMA,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=["category", "topic", "source", "source_kind", "language"],
        write_statistics=["report_id", "category", "held_out"],
        store_schema=True,
    )


def _table(reports: list[VerifiedReport], weights: Weights) -> pa.Table:
    campaigns = [campaign_name(report.campaign) for report in reports]
    columns: dict[str, Iterable[Any]] = {
        "report_id": [report.id for report in reports],
        "text": [report.text for report in reports],
        "category": [report.category for report in reports],
        "topic": [report.topic for report in reports],
        "campaign": campaigns,
        "source": [report.source for report in reports],
        "source_kind": [report.source_kind.value for report in reports],
        "reporter_weight": [weights.of(report) for report in reports],
        "language": [report.language for report in reports],
        "received_at": [report.received_at for report in reports],
        "held_out": [
            is_held_out(campaign) and not report.campaign_in_training
            for campaign, report in zip(campaigns, reports, strict=True)
        ],
    }
    return pa.table(columns, schema=SCHEMA)
