"""Copies files into a backup and back: whole or not at all, and for their owner alone."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from services.backup.manifest import BLOCK_BYTES, Entry, Told

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644
PRIVATE_FOLDER: Final = 0o700
PUBLIC_FOLDER: Final = 0o755


def list_files(url: str) -> dict[str, int]:
    """Gives the length of every file below a folder by its path in it; drafts and locks, which begin with a dot, are
    left out."""  # noqa: D205, D209
    files, root = fsspec.core.url_to_fs(url)
    if not files.exists(root):
        return {}
    found = files.find(root, detail=True)
    inside = {path[len(root.rstrip("/")) + 1 :]: int(about["size"]) for path, about in found.items()}
    return {path: size for path, size in inside.items() if not any(part.startswith(".") for part in path.split("/"))}


def save(url: str, path: str, backup: Path, place: str, told: Told) -> Entry | None:
    """Copies one file of a folder into the backup; None if it was removed meanwhile, as files of a run are at its end.

    Args:
        url: the folder.
        path: the file in it.
        backup: where the backup is made.
        place: where in it the file goes.
        told: is told how many bytes more were copied.
    """
    files, root = fsspec.core.url_to_fs(url)
    try:
        source = files.open(f"{root.rstrip('/')}/{path}", "rb")
    except FileNotFoundError:
        return None
    with source, drafted(backup / place) as draft, draft.open("wb") as target:
        return _copied(source, target, place, told)


def restore(backup: Path, entry: Entry, url: str, path: str, told: Told, *, is_public: bool) -> None:
    """Copies one file of the backup to its place in a folder.

    Raises:
        OSError: if it cannot be written.
    """
    files, root = fsspec.core.url_to_fs(url)
    target_path = f"{root.rstrip('/')}/{path}"
    with (backup / entry.path).open("rb") as source:
        if isinstance(files, LocalFileSystem):
            with drafted(Path(target_path), is_public=is_public) as draft, draft.open("wb") as target:
                _copied(source, target, entry.path, told)
            return
        with files.open(target_path, "wb") as target:
            _copied(source, target, entry.path, told)


def _copied(source: Any, target: Any, place: str, told: Told) -> Entry:
    sha256 = hashlib.sha256()
    length = 0
    while block := source.read(BLOCK_BYTES):
        sha256.update(block)
        length += len(block)
        target.write(block)
        told(len(block))
    return Entry(path=place, bytes=length, sha256=sha256.hexdigest())


@contextmanager
def drafted(path: Path, *, is_public: bool = False) -> Iterator[Path]:
    """Gives an empty file that gets its name when all that was written to it is on the disk.

    What root writes belongs to the folder's owner, so that a service of another user can read it.
    """
    make_folder(path.parent, is_public=is_public)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PUBLIC if is_public else PRIVATE))
    try:
        give_to_owner_of(path.parent, draft)
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)


def make_folder(path: Path, *, is_public: bool = False) -> None:
    """Makes a folder and those above it where they are missing, closed to others unless they may read it."""
    if path.exists():
        return
    make_folder(path.parent, is_public=is_public)
    path.mkdir(mode=PUBLIC_FOLDER if is_public else PRIVATE_FOLDER, exist_ok=True)
    give_to_owner_of(path.parent, path)


def give_to_owner_of(folder: Path, path: Path) -> None:
    """Makes what root made belong to the owner of the folder that it lies in."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
