"""Writing files so that a power cut leaves the old content or the new, never half of either."""

import os
import secrets
from pathlib import Path
from typing import Final

DRAFT_PREFIX: Final = ".draft-"


class Disk:
    """The few moves that publication makes on the file system, in one place, so that a test can stop it between two."""

    def write(self, path: Path, content: bytes, mode: int = 0o644) -> None:
        """Puts a file in place, whole or not at all, and does not return before it survives a power cut."""
        self.put_in_place(self.write_draft(path, content, mode), path)

    def write_draft(self, path: Path, content: bytes, mode: int = 0o644) -> Path:
        """Writes everything but the name: what follows is a rename, which needs no more room on the disk.

        What root writes belongs to the folder's owner, so that a service of another user can read what root rotated.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{DRAFT_PREFIX}{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if os.geteuid() == 0:
                    owner = path.parent.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return draft

    def put_in_place(self, draft: Path, path: Path) -> None:
        """Gives a draft its name."""
        draft.replace(path)
        sync_directory(path.parent)

    def remove(self, path: Path) -> None:
        """Removes a file that may be gone already."""
        path.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Makes renames in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
