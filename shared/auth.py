"""Bearer keys with scopes, read from one file that all three services mount.

The file holds hashes, never keys. A key has 256 random bits, so one SHA-256 is hash enough; comparison takes the same
time wherever two hashes differ, and always looks at every entry.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

KEY_PREFIX: Final = "ql_"


class Scope(StrEnum):
    """What the holder of a key may do."""

    REPORT = "report"  # hand in reports
    MODERATE = "moderate"  # read, label and import reports, freeze snapshots
    READ_SNAPSHOT = "read_snapshot"  # download snapshots and releases
    TRAIN = "train"  # start and cancel runs
    SUBMIT = "submit"  # hand candidates to the registry
    PUBLISH = "publish"  # promote, roll back, withdraw
    ADMIN = "admin"  # everything


class KeyFileError(Exception):
    """The key file is missing, unreadable or not allowed in this mode."""


@dataclass(frozen=True)
class Principal:
    """Who holds a key, as far as the service knows."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Tells whether the scope, or `admin`, was given to this key."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class KeyEntry(BaseModel):
    """One line of the key file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=60)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[Scope]
    development: bool = False


class KeyFile(BaseModel):
    """The key file as it lies on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[KeyEntry, ...]

    def write(self, path: Path) -> None:
        """Writes the file whole or not at all, readable by its owner alone, who stays the one that there was."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        if os.geteuid() == 0 and path.exists():
            os.chown(draft, path.stat().st_uid, path.stat().st_gid)
        draft.write_text(self.model_dump_json(indent=1), "utf8")
        draft.replace(path)


def new_key() -> str:
    """Makes a bearer key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Gives the hexadecimal SHA-256 that stands for the key in the key file."""
    return hashlib.sha256(key.encode("utf8", "surrogatepass")).hexdigest()


class KeyRing:
    """Finds out who holds a key."""

    def __init__(self, entries: tuple[KeyEntry, ...]) -> None:
        self._entries = entries

    @classmethod
    def from_file(cls, path: Path, *, production: bool) -> Self:
        """Reads the key file.

        Raises:
            KeyFileError: if it is missing or malformed, or holds development keys in production.
        """
        try:
            content = KeyFile.model_validate_json(path.read_bytes())
        except OSError as error:
            hint = "make one with `quietline keys init`"
            raise KeyFileError(f"cannot read the key file {path}: {error.strerror}; {hint}") from error
        except ValidationError as error:
            raise KeyFileError(f"{path} is no key file ({error.error_count()} faults); see shared/auth.py") from error
        if production and any(entry.development for entry in content.keys):
            raise KeyFileError(f"{path} holds development keys, which production refuses; start in a folder of its own")
        return cls(content.keys)

    def complaint(self) -> str | None:
        """Says in words why nobody can be let in, or gives None."""
        return None if self._entries else "the key file holds no key; add one with `quietline keys add`, and restart"

    def find(self, key: str) -> Principal | None:
        """Gives the holder of the key, or None."""
        digest = hash_key(key)
        found = None
        for entry in self._entries:
            if hmac.compare_digest(entry.sha256, digest):
                found = Principal(entry.name, entry.scopes)
        return found
