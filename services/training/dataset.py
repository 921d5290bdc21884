"""The messages of a snapshot, as training reads them."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from services.training.failures import DamagedSnapshotError, UnusableSnapshotError
from shared.categories import HARASSMENT, LEGITIMATE, Category
from shared.redaction import fill

_COLUMNS: Final = {
    "report_id": pa.string(),
    "text": pa.string(),
    "category": pa.string(),
    "topic": pa.string(),
    "campaign": pa.string(),
    "reporter_weight": pa.float64(),
    "held_out": pa.bool_(),
}
"""What training reads of a snapshot; it has more columns."""
_ROWS_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Messages:
    """Labelled messages, in the order of their report ids. All columns have the same length."""

    report_ids: Sequence[str]
    texts: Sequence[str]
    categories: NDArray[np.str_]
    topics: Sequence[str | None]
    campaigns: Sequence[str]
    weights: NDArray[np.float64]
    held_out: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.report_ids)

    @classmethod
    def from_snapshot(cls, parquet: bytes, digest: str) -> Self:
        """Reads a snapshot: see `read_snapshot`."""
        return cls.from_table(read_snapshot(parquet, digest))

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Reads the rows of a table that `to_table` gave, in their order."""
        column = {name: table[name].to_pylist() for name in _COLUMNS}
        return cls(
            column["report_id"],
            column["text"],
            np.array(column["category"], dtype="U16"),
            column["topic"],
            column["campaign"],
            np.array(column["reporter_weight"], dtype=np.float64),
            np.array(column["held_out"], dtype=np.bool_),
        )

    def to_table(self) -> pa.Table:
        """Gives the messages as a table; lone surrogates, which the fold drops, have no place in one."""
        columns = (
            map(_storable, self.report_ids), map(_storable, self.texts), self.categories.tolist(), self.topics,
            map(_storable, self.campaigns), self.weights, self.held_out,
        )  # fmt: skip
        arrays = [pa.array(column, type=kind) for column, kind in zip(columns, _COLUMNS.values(), strict=True)]
        return pa.table(arrays, names=list(_COLUMNS))

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Gives some of the messages, in the same order."""
        return self.take(np.flatnonzero(chosen))

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Gives the messages in these rows, in the order of the rows."""
        numbers = rows.tolist()
        return replace(
            self,
            report_ids=[self.report_ids[row] for row in numbers],
            texts=[self.texts[row] for row in numbers],
            categories=self.categories[rows],
            topics=[self.topics[row] for row in numbers],
            campaigns=[self.campaigns[row] for row in numbers],
            weights=self.weights[rows],
            held_out=self.held_out[rows],
        )

    @property
    def training(self) -> Self:
        """The messages that a model may learn from."""
        return self.where(~self.held_out)

    @property
    def judging(self) -> Self:
        """The held-out messages."""
        return self.where(self.held_out)

    def digest(self) -> str:
        """Names these messages by ids, texts and labels."""
        digest = hashlib.sha256()
        for row in zip(self.report_ids, self.texts, self.categories.tolist(), self.topics, strict=True):
            digest.update(repr(row).encode("utf8", "surrogatepass"))
        return f"sha256:{digest.hexdigest()}"


def read_snapshot(parquet: bytes, digest: str) -> pa.Table:
    """Reads a snapshot in the order of its ids and fills the slots of its masked texts, each report's from its own id.

    It stays a table, because a million messages as Python objects take three times the room.

    Raises:
        DamagedSnapshotError: if the bytes are not those that the digest names, or no snapshot.
    """
    if f"sha256:{hashlib.sha256(parquet).hexdigest()}" != digest:
        raise DamagedSnapshotError("What ingestion sent is not what the snapshot's digest names.")
    masked = read_table(parquet)
    filled = pa.chunked_array(
        (
            pa.array(map(_filled, batch["text"].to_pylist(), batch["report_id"].to_pylist()), type=pa.string())
            for batch in masked.to_batches(max_chunksize=_ROWS_AT_ONCE)
        ),
        type=pa.string(),
    )
    return masked.set_column(masked.column_names.index("text"), "text", filled)


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode("utf8", "ignore").decode("utf8")


def _filled(text: str, report_id: str) -> str:
    return fill(text, seed=report_id)


def read_table(parquet: bytes) -> pa.Table:
    """Reads what training needs of a Parquet file of messages, in the order of their ids.

    Raises:
        DamagedSnapshotError: if a column is missing or of another type, or a category is none.
    """
    try:
        table = pq.read_table(io.BytesIO(parquet), columns=list(_COLUMNS))
        table = table.select(list(_COLUMNS)).cast(pa.schema(list(_COLUMNS.items()))).sort_by("report_id")
    except (pa.ArrowException, KeyError) as error:
        raise DamagedSnapshotError("The snapshot is no Parquet file with the columns that were agreed.") from error
    if any(table[name].null_count for name in _COLUMNS if name != "topic"):
        raise DamagedSnapshotError("The snapshot has a row with an empty column.")
    if strangers := set(table["category"].unique().to_pylist()) - set(Category):
        raise DamagedSnapshotError(f"The snapshot has {len(strangers)} categories that this version does not know.")
    return table


def refuse_if_unusable(categories: NDArray[np.str_], held_out: NDArray[np.bool_]) -> None:
    """Checks that there is something to tell apart.

    Raises:
        UnusableSnapshotError: without labels, or without both legitimate messages and harassment to learn from.
    """
    kinds = np.unique(categories).tolist()
    if not kinds:
        raise UnusableSnapshotError(
            "It holds no labelled report. Label some reports, freeze a new snapshot, and train on that."
        )
    if len(kinds) == 1:
        raise UnusableSnapshotError(
            f"Every report in it is {kinds[0]}; a classifier needs at least one legitimate category and "
            "one of harassment."
        )
    learned = set(categories[~held_out].tolist())
    for name, wanted in (("legitimate", LEGITIMATE), ("harassment", HARASSMENT)):
        if not learned & set(wanted):
            raise UnusableSnapshotError(
                f"It has no {name} message to learn from ({', '.join(wanted)}) beside those held out."
            )


def stable_fraction(*names: object) -> float:
    """Gives a number from 0 to 1 that depends on the names alone, for choices that must never change."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode("utf8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)
