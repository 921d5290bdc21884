"""Writing on the phone so that a dead battery leaves the old content or the new, never half of either."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mobile_model.updater.errors import DiskError, DiskFullError

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DRAFT_PREFIX: Final = ".draft-"


class Disk:
    """The few moves that the phone makes on its file system, so that a test can stop it between two."""

    def write(self, path: Path, content: bytes) -> None:
        """Puts a file in place, whole or not at all, and does not return before it survives a dead battery."""
        draft = path.with_name(f"{DRAFT_PREFIX}{secrets.token_hex(8)}")
        try:
            _write_through(draft, content)
            self.rename(draft, path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def write_folder(self, path: Path, files: Mapping[str, bytes]) -> None:
        """Puts a folder of files in place, whole or not at all; one that is there already is replaced."""
        draft = path.with_name(f"{DRAFT_PREFIX}{secrets.token_hex(8)}")
        try:
            draft.mkdir(parents=True)
            for name, content in files.items():
                _write_through(draft / name, content)
            _sync_folder(draft)
            self.remove_folder(path)
            self.rename(draft, path)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def rename(self, draft: Path, path: Path) -> None:
        """Gives a draft its name."""
        draft.rename(path)
        _sync_folder(path.parent)

    def remove_folder(self, path: Path) -> None:
        """Removes a folder with all that is in it; it may be gone already."""
        if path.exists():
            shutil.rmtree(path)

    def remove(self, path: Path) -> None:
        """Removes a file that may be gone already."""
        path.unlink(missing_ok=True)


@contextmanager
def writing_disk() -> Iterator[None]:
    """Turns what the file system refuses into errors of the phone.

    Raises:
        DiskFullError: if there is no room left, or the person's quota is used up.
        DiskError: for whatever else the file system says.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFullError("there is no room left on the phone; free some and update again") from error
        raise DiskError(f"the phone's disk refuses: {error.strerror}") from error


@contextmanager
def reading_disk() -> Iterator[None]:
    """Turns what the file system refuses into errors of the phone, but lets a missing file be missing.

    Raises:
        DiskError: for whatever the file system says but "no such file".
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DiskError(f"the phone's disk cannot be read: {error.strerror}") from error


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
