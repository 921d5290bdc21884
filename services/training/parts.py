"""Cuts the messages of a run into parts, which are read and worked on one by one, here or on other machines.

Each part holds messages of one fold, so that a cross-fit is a fit on some of the parts and no copy joins messages of
two folds. Within a fold the order is that of a hash: whatever the ids are, each block is a fair sample. What a message
weighs is worked out here, over all of them, so that a part can be worked on without the others.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from services.training import artifacts
from services.training.artifacts import RunFolder
from services.training.dataset import Messages, stable_fraction
from services.training.examples import balance, expected_copies
from services.training.recipe import Recipe

PART_MESSAGES: Final = 16_000
"""What is read at once, and what one task of a cluster works on."""
BLOCK_MESSAGES: Final = 1_000
"""What is worked on at once: its n-grams fit the processor's cache. Changing it changes models, see `Together`."""

_ABOUT: Final = "quietline"


@dataclass(frozen=True)
class Part:
    """Some messages of a run: a row group of its file.

    Attributes:
        number: counts from 0.
        fold: None for messages that are held out.
        messages: how many there are.
    """

    number: int
    fold: int | None
    messages: int


class Parted(Protocol):
    """Messages in parts, wherever they lie."""

    @property
    def training(self) -> Sequence[Part]:
        """The parts that a model may learn from."""
        ...

    @property
    def copies(self) -> float:
        """What share of the copies that the recipe makes of a message is made, so that they are not too many in all."""
        ...

    def read(self, part: Part) -> Messages:
        """Gives the messages of a part."""
        ...


@dataclass(frozen=True)
class Arrangement:
    """Messages in parts, in memory.

    Attributes:
        table: the messages in the order of their parts; they weigh what the recipe makes of them.
        parts: those that are held out are the last.
        copies: see `Parted`.
        order: the row that each message had before.
    """

    table: pa.Table
    parts: Sequence[Part]
    copies: float
    order: NDArray[np.int64]

    @property
    def training(self) -> Sequence[Part]:
        """See `Parted`."""
        return _training(self.parts)

    def read(self, part: Part) -> Messages:
        """See `Parted`."""
        return Messages.from_table(self._rows_of(part))

    def to_parquet(self) -> bytes:
        """Writes the messages, a row group for each part.

        Equal messages give equal bytes with one version of the library.
        """
        about = {_ABOUT: json.dumps({"folds": [part.fold for part in self.parts], "copies": self.copies})}
        schema = self.table.schema.with_metadata(about)
        target = io.BytesIO()
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for part in self.parts:
                writer.write_table(self._rows_of(part).replace_schema_metadata(about), row_group_size=PART_MESSAGES)
        return target.getvalue()

    def _rows_of(self, part: Part) -> pa.Table:
        begin = sum(before.messages for before in self.parts[: part.number])
        return self.table.slice(begin, part.messages)


@dataclass(frozen=True)
class MessagesFile:
    """The messages of a run in its folder. Whoever can reach the folder can read them, on any machine.

    Attributes:
        folder: the run's.
        parts: those that are held out are the last.
        copies: see `Parted`.
    """

    folder: RunFolder
    parts: Sequence[Part]
    copies: float

    @classmethod
    def find(cls, folder: RunFolder) -> Self:
        """Looks what the file holds.

        Raises:
            MissingFileError: if it is not there.
        """
        with folder.open(artifacts.MESSAGES) as file:
            metadata = pq.read_metadata(file)
        about = json.loads(metadata.metadata[_ABOUT.encode()])
        parts = [Part(number, fold, metadata.row_group(number).num_rows) for number, fold in enumerate(about["folds"])]
        return cls(folder, parts, about["copies"])

    @property
    def training(self) -> Sequence[Part]:
        """See `Parted`."""
        return _training(self.parts)

    def read(self, part: Part) -> Messages:
        """See `Parted`.

        Raises:
            MissingFileError: if the file is gone.
        """
        return self._read([part])

    def held_out(self) -> Messages:
        """Gives the held-out messages, in the order of their ids.

        Raises:
            MissingFileError: if the file is gone.
        """
        return self._read([part for part in self.parts if part.fold is None])

    def _read(self, parts: Sequence[Part]) -> Messages:
        with self.folder.open(artifacts.MESSAGES) as file:
            return Messages.from_table(pq.ParquetFile(file).read_row_groups([part.number for part in parts]))


def _training(parts: Sequence[Part]) -> Sequence[Part]:
    return [part for part in parts if part.fold is not None]


def arrange(table: pa.Table, recipe: Recipe) -> Arrangement:
    """Puts messages into parts: the same ones for the same messages and recipe.

    Args:
        table: the messages, as `read_snapshot` or `Messages.to_table` give them.
        recipe: decides the folds, and what each message weighs.
    """
    held_out = table["held_out"].to_numpy()
    training = table.filter(pa.array(~held_out))
    categories = text_array(training["category"])
    weights = table["reporter_weight"].to_numpy().copy()
    weights[~held_out] *= balance(categories, text_array(training["topic"]), recipe)
    table = table.set_column(table.column_names.index("reporter_weight"), "reporter_weight", pa.array(weights))
    rows: list[NDArray[np.int64]] = []
    parts: list[Part] = []
    for fold, of_fold in _rows_by_fold(training, held_out, recipe):
        for piece in np.array_split(of_fold, max(1, -(-len(of_fold) // PART_MESSAGES))):
            parts.append(Part(len(parts), fold, len(piece)))
            rows.append(piece)
    order = np.concatenate(rows)
    copies = min(1.0, recipe.most_copies / max(1.0, expected_copies(categories, recipe)))
    return Arrangement(table.take(order), parts, copies, order)


def text_array(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Gives a column of few different texts as numpy's; nothing is the empty text."""
    column = column.combine_chunks().dictionary_encode()
    texts = np.array([*column.dictionary.to_pylist(), ""], dtype=np.str_)
    found: NDArray[np.str_] = texts[column.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]
    return found


def _rows_by_fold(
    training: pa.Table, held_out: NDArray[np.bool_], recipe: Recipe
) -> Iterator[tuple[int | None, NDArray[np.int64]]]:
    rows = np.flatnonzero(~held_out)
    places = np.fromiter((stable_fraction("place", report) for report in _texts(training["report_id"])), np.float64)
    fold = folds(_texts(training["campaign"]), recipe)
    for number in np.unique(fold).tolist():
        of_fold = np.flatnonzero(fold == number)
        yield number, rows[of_fold[np.argsort(places[of_fold], kind="stable")]]
    yield None, np.flatnonzero(held_out)


def _texts(column: pa.ChunkedArray) -> Iterator[str]:
    for begin in range(0, len(column), PART_MESSAGES):
        yield from column.slice(begin, PART_MESSAGES).to_pylist()


def folds(campaigns: Iterable[str], recipe: Recipe) -> NDArray[np.int64]:
    """Gives the fold of each campaign: a stable choice, from 0 without gaps."""
    wished = (int(stable_fraction(recipe.seed, "fold", campaign) * recipe.folds) for campaign in campaigns)
    _, fold = np.unique(np.fromiter(wished, dtype=np.int64), return_inverse=True)
    numbers: NDArray[np.int64] = fold.astype(np.int64)
    return numbers


def blocks(messages: Messages) -> Iterator[Messages]:
    """Cuts the messages of a part into blocks."""
    for begin in range(0, len(messages), BLOCK_MESSAGES):
        yield messages.take(np.arange(begin, min(begin + BLOCK_MESSAGES, len(messages))))
