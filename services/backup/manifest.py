"""What lies in a backup: every file with its length and digest, and which revision each database was at."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.backup.errors import DamagedBackupError

MANIFEST: Final = "manifest.json"
BLOCK_BYTES: Final = 1 << 20

Told = Callable[[int], None]
"""Is told how many bytes more were dealt with."""


def _inside(path: str) -> str:
    """Lets through what leads to a file below the folder that it is joined to."""
    parts = PurePosixPath(path).parts
    if not parts or path != str(PurePosixPath(*parts)) or path.startswith("/") or ".." in parts:
        raise ValueError("leads out of the backup")
    return path


class Entry(BaseModel):
    """One file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, Field(max_length=1000), AfterValidator(_inside)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SavedDatabase(BaseModel):
    """One database: what kind of server it was on, and the revision of its tables, if the suite migrates them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sqlite", "postgresql"]
    revision: str | None


class Manifest(BaseModel):
    """The list of everything in a backup. It is written last, so that a backup that broke off has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    made_at: datetime
    version: str
    databases: dict[str, SavedDatabase]
    entries: tuple[Entry, ...]

    @property
    def bytes(self) -> int:
        """The length of all files."""
        return sum(entry.bytes for entry in self.entries)

    def within(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Gives the files below a folder of the backup, with their paths in it."""
        for entry in self.entries:
            if entry.path.startswith(f"{folder}/"):
                yield entry.path.removeprefix(f"{folder}/"), entry

    @classmethod
    def read(cls, backup: Path) -> "Manifest":
        """Reads the list.

        Raises:
            DamagedBackupError: if there is none, or it is none of this version.
        """
        try:
            return cls.model_validate_json((backup / MANIFEST).read_bytes())
        except OSError as error:
            raise DamagedBackupError(
                f"{backup} holds no {MANIFEST}, so it is no backup, or one that broke off; name another"
            ) from error
        except ValidationError as error:
            raise DamagedBackupError(f"{backup / MANIFEST} is damaged, or of another version of Quietline") from error

    def check(self, backup: Path, told: Told) -> None:
        """Reads every file and compares it with the list.

        Raises:
            DamagedBackupError: if a file is gone or is not what it was.
        """
        for entry in self.entries:
            file = backup / entry.path
            if not file.is_file():
                raise DamagedBackupError(f"{file} is gone; the backup cannot be restored")
            if digest(file, told) != entry.sha256:
                raise DamagedBackupError(f"{file} is not what it was when the backup was made; use another backup")


def digest(file: Path, told: Told) -> str:
    """Gives the hexadecimal SHA-256 of a file."""
    sha256 = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            sha256.update(block)
            told(len(block))
    return sha256.hexdigest()
