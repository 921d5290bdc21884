"""Private keys of the TUF roles, as PEM files in a folder.

A file is named after its role and the beginning of its key id. Which key a role uses is decided by the root metadata,
which names key ids; so a key that is no longer named is harmless, and one that is not there is simply offline.
"""

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Key

from services.registry.files import Disk

ROLES: Final = ("root", "targets", "snapshot", "timestamp")


class SigningKeyError(Exception):
    """A key file cannot be used; the text says which and why."""


class KeyFolder:
    """The keys that lie in one folder."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk

    def make(self, role: str) -> CryptoSigner:
        """Makes a key (ECDSA P-256, which every client can verify) and writes it, readable by its owner alone."""
        signer = CryptoSigner.generate_ecdsa()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._disk.write(self._file(role, signer.public_key), signer.private_bytes, 0o600)
        return signer

    def find(self, key: Key) -> CryptoSigner | None:
        """Gives the signer of a public key, or None where its private key is not in this folder.

        Raises:
            SigningKeyError: if a key file cannot be read.
        """
        for path in sorted(self.path.glob("*.pem")):
            private = _read(path)
            try:
                signer = CryptoSigner(private)
            except ValueError as error:
                raise SigningKeyError(f"{path.name} holds a key of a kind that cannot sign") from error
            if signer.public_key.keyid == key.keyid:
                return signer
        return None

    def keep_only(self, role: str, key: Key) -> None:
        """Removes the role's other keys, which were replaced or never came into use."""
        for path in self.path.glob(f"{role}-*.pem"):
            if path != self._file(role, key):
                self._disk.remove(path)

    def move(self, role: str, folder: "KeyFolder") -> None:
        """Moves the role's keys to another folder; for a moment they are in both."""
        for path in self.path.glob(f"{role}-*.pem"):
            self._disk.write(folder.path / path.name, path.read_bytes(), 0o600)
            self._disk.remove(path)

    def holds(self, role: str) -> bool:
        """Tells whether a key of this role lies here, in use or not."""
        return any(self.path.glob(f"{role}-*.pem"))

    def file_name(self, role: str, key: Key) -> str:
        """Gives the name of a key's file, there or not."""
        return f"{role}-{key.keyid[:12]}.pem"

    def _file(self, role: str, key: Key) -> Path:
        return self.path / self.file_name(role, key)


def _read(path: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SigningKeyError(f"cannot read the key {path.name}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{path.name} is no PEM file with an unencrypted private key") from error
