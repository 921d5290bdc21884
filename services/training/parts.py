"""Cuts the messages of a run into parts, which are read and worked on one by one, here or on other machines.

Each part holds messages of one fold, so that a cross-fit is a fit on some of the parts and no copy joins messages of
two folds. Within a fold the order is that of a hash: whatever the ids are, each block is a fair sample. What a message
weighs is worked out here, over all of them, so that a part can be worked on without the others.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from services.training import artifacts
from services.training.artifacts import RunFolder
from services.training.dataset import Messages, stable_fraction
from services.training.examples import balance
from services.training.recipe import Recipe

PART_MESSAGES: Final = 16_000
"""What is read at once, and what one task of a cluster works on."""
BLOCK_MESSAGES: Final = 1_000
"""What is worked on at once: its n-grams fit the processor's cache. Changing it changes models, see `Together`."""

_FOLDS: Final = b"quietline.folds"


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

    def read(self, part: Part) -> Messages:
        """Gives the messages of a part."""
        ...


@dataclass(frozen=True)
class Arrangement:
    """Messages in parts, in memory.

    Attributes:
        messages: in the order of their parts; they weigh what the recipe makes of them.
        parts: those that are held out are the last.
        order: the row that each message had before.
    """

    messages: Messages
    parts: Sequence[Part]
    order: NDArray[np.int64]

    @property
    def training(self) -> Sequence[Part]:
        """See `Parted`."""
        return _training(self.parts)

    def read(self, part: Part) -> Messages:
        """See `Parted`."""
        begin = sum(before.messages for before in self.parts[: part.number])
        return self.messages.take(np.arange(begin, begin + part.messages))

    def to_parquet(self) -> bytes:
        """Writes the messages, a row group for each part.

        Equal messages give equal bytes with one version of the library.
        """
        table = self.messages.to_table()
        folds = {_FOLDS: json.dumps([part.fold for part in self.parts]).encode()}
        table = table.replace_schema_metadata(folds)
        target = io.BytesIO()
        begin = 0
        with pq.ParquetWriter(target, table.schema, compression="zstd") as writer:
            for part in self.parts:
                writer.write_table(table.slice(begin, part.messages), row_group_size=PART_MESSAGES)
                begin += part.messages
        return target.getvalue()


@dataclass(frozen=True)
class MessagesFile:
    """The messages of a run in its folder. Whoever can reach the folder can read them, on any machine.

    Attributes:
        folder: the run's.
        parts: those that are held out are the last.
    """

    folder: RunFolder
    parts: Sequence[Part]

    @classmethod
    def find(cls, folder: RunFolder) -> Self:
        """Looks what the file holds.

        Raises:
            MissingFileError: if it is not there.
        """
        with folder.open(artifacts.MESSAGES) as file:
            metadata = pq.read_metadata(file)
        folds: list[int | None] = json.loads(metadata.metadata[_FOLDS])
        parts = [Part(number, fold, metadata.row_group(number).num_rows) for number, fold in enumerate(folds)]
        return cls(folder, parts)

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


def arrange(messages: Messages, recipe: Recipe) -> Arrangement:
    """Puts messages into parts: the same ones for the same messages and recipe."""
    weights = messages.weights.copy()
    weights[~messages.held_out] *= balance(messages.training, recipe)
    rows: list[NDArray[np.int64]] = []
    parts: list[Part] = []
    for fold, of_fold in _rows_by_fold(messages, recipe):
        pieces = max(1, -(-len(of_fold) // PART_MESSAGES))
        for piece in np.array_split(of_fold, pieces):
            parts.append(Part(len(parts), fold, len(piece)))
            rows.append(piece)
    order = np.concatenate(rows)
    return Arrangement(replace(messages, weights=weights).take(order), parts, order)


def _rows_by_fold(messages: Messages, recipe: Recipe) -> Iterator[tuple[int | None, NDArray[np.int64]]]:
    training = np.flatnonzero(~messages.held_out)
    places = np.array([stable_fraction("place", messages.report_ids[row]) for row in training.tolist()])
    fold = folds(messages.training, recipe)
    for number in np.unique(fold).tolist():
        of_fold = np.flatnonzero(fold == number)
        yield number, training[of_fold[np.argsort(places[of_fold], kind="stable")]]
    yield None, np.flatnonzero(messages.held_out)


def folds(training: Messages, recipe: Recipe) -> NDArray[np.int64]:
    """Gives the number of the fold that each message is in: a stable choice for each campaign, from 0 without gaps."""
    wished = [int(stable_fraction(recipe.seed, "fold", campaign) * recipe.folds) for campaign in training.campaigns]
    _, fold = np.unique(np.array(wished, dtype=np.int64), return_inverse=True)
    numbers: NDArray[np.int64] = fold.astype(np.int64)
    return numbers


def blocks(messages: Messages) -> Iterator[Messages]:
    """Cuts the messages of a part into blocks."""
    for begin in range(0, len(messages), BLOCK_MESSAGES):
        yield messages.take(np.arange(begin, min(begin + BLOCK_MESSAGES, len(messages))))
