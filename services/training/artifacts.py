"""The files of a run, under its id, on a path or in an object store: whole or not there at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

MESSAGES: Final = "messages.parquet"
WEIGHTS: Final = "weights.npz"
THRESHOLDS: Final = "thresholds.json"
MODEL: Final = "model.onnx"
CARD: Final = "card.json"
EVIDENCE: Final = "evidence.json"
EVALUATION: Final = "evaluation.json"
REPORT: Final = "report.html"

WORKING_FILES: Final = (MESSAGES, WEIGHTS)
"""What only the run itself needs; removed at its end, so that no text of a message outlives it here."""


class MissingFileError(Exception):
    """A run has no such file, or not yet."""


class RunFolder:
    """The files of one run.

    Writing the same file again replaces it; a reader sees the one before or the one after, never a part.
    """

    def __init__(self, runs_url: str, run_id: str) -> None:
        self._files, path = fsspec.core.url_to_fs(runs_url)
        self._path = f"{path.rstrip('/')}/{run_id}"

    def write(self, name: str, content: bytes) -> None:
        """Puts a file in place in one step."""
        self._files.makedirs(self._path, exist_ok=True)
        if not isinstance(self._files, LocalFileSystem):
            self._files.pipe_file(f"{self._path}/{name}", content)  # an object is put whole, or not at all
            return
        draft = f"{self._path}/.{name}.{secrets.token_hex(4)}"
        self._files.pipe_file(draft, content)
        self._files.mv(draft, f"{self._path}/{name}")

    def read(self, name: str) -> bytes:
        """Gives a file's content.

        Raises:
            MissingFileError: if it is not there.
        """
        try:
            return cast("bytes", self._files.cat_file(f"{self._path}/{name}"))
        except FileNotFoundError as error:
            raise MissingFileError(f"the run has no {name} yet") from error

    @contextmanager
    def open(self, name: str) -> Iterator[Any]:
        """Opens a file for reading here and there in it.

        Raises:
            MissingFileError: if it is not there.
        """
        try:
            file = self._files.open(f"{self._path}/{name}", "rb")
        except FileNotFoundError as error:
            raise MissingFileError(f"the run has no {name} yet") from error
        with file:
            yield file

    def remove(self, *names: str) -> None:
        """Removes files that are there, and drafts that a killed worker left."""
        if not self._files.isdir(self._path):
            return
        for path in self._files.ls(self._path, detail=False):
            name = path.rsplit("/", 1)[-1]
            if name in names or name.startswith("."):
                self._files.rm_file(path)
