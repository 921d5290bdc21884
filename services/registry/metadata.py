"""What the four TUF roles say next, and for how long. Pure but for the signatures: no file, no clock.

RepositoryError
 +- NoRepositoryError        nothing was ever published here
 +- BrokenRepositoryError    files of the repository are gone or damaged
 +- KeyOfflineError          the private key that must sign is not at hand
 +- DevelopmentKeysError     production met keys that were made for development
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

SignedRole = TypeVar("SignedRole", Root, Targets, Snapshot, Timestamp)


class RepositoryError(Exception):
    """The repository cannot do what was asked; the text says why and what to do."""


class NoRepositoryError(RepositoryError):
    """Nothing was ever published here."""


class BrokenRepositoryError(RepositoryError):
    """Files of the repository are gone or damaged."""


class KeyOfflineError(RepositoryError):
    """The private key that must sign is not at hand."""


class DevelopmentKeysError(RepositoryError):
    """Production met keys that were made for development."""


@dataclass(frozen=True)
class Lifetime:
    """How long metadata of a role is valid, and how long before its end it is signed again."""

    valid: timedelta
    renew_before: timedelta


LIFETIMES: Final = {
    "root": Lifetime(timedelta(days=365), timedelta(days=60)),
    "targets": Lifetime(timedelta(days=365), timedelta(days=180)),
    "snapshot": Lifetime(timedelta(days=14), timedelta(days=7)),
    "timestamp": Lifetime(timedelta(days=3), timedelta(days=2)),
}
"""A frozen mirror can hold a phone at an old release for as long as the timestamp is valid, and no longer. No timestamp
may be valid for more than 30 days, since phones take that for a sign that their own clock is behind."""


@dataclass(frozen=True)
class Target:
    """A file for phones.

    Args:
        path: path inside the repository, such as `channels/stable.json`.
        length: bytes.
        sha256: hexadecimal digest.
        read: gives the content; called only if the file is not there yet.
    """

    path: str
    length: int
    sha256: str
    read: Callable[[], bytes]

    @classmethod
    def of(cls, path: str, content: bytes) -> "Target":
        """Makes a target from its content."""
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), lambda: content)

    @property
    def file(self) -> TargetFile:
        """What the targets role says of the file."""
        return TargetFile(self.length, {"sha256": self.sha256}, self.path)


@dataclass(frozen=True)
class Published:
    """The metadata that phones see now; None where nothing was published yet."""

    root: Metadata[Root]
    targets: Metadata[Targets] | None = None
    snapshot: Metadata[Snapshot] | None = None
    timestamp: Metadata[Timestamp] | None = None

    def expiries(self) -> dict[str, datetime]:
        """Gives the end of each role's validity."""
        parts = (self.root, self.targets, self.snapshot, self.timestamp)
        return {part.signed.type: part.signed.expires for part in parts if part is not None}


@dataclass(frozen=True)
class Step:
    """The roles that must be written to get from one published state to the next; None for those that stay."""

    targets: Metadata[Targets] | None
    snapshot: Metadata[Snapshot] | None
    timestamp: Metadata[Timestamp] | None


Signers = Callable[[str], Sequence[CryptoSigner]]
"""Gives who signs a role; may raise KeyOfflineError."""


def next_step(
    published: Published,
    files: Mapping[str, TargetFile],
    signers: Signers,
    now: datetime,
    *,
    forced: str | None = None,
    targets_key_is_offline: bool = False,
    stride: int = 1,
) -> Step:
    """Gives the step to a state that offers exactly these files and in which nothing grows old.

    Every role that changes gets the next version, and so do all above it. What nothing changes stays as it is, so that
    repeating a step is no step at all.

    Args:
        published: what phones see now.
        files: what phones shall see.
        signers: who signs.
        now: the time.
        forced: a role that is signed anew though it says the same.
        targets_key_is_offline: lets targets that only grow old stay; only the operator can bring their key.
        stride: how far the versions of what is signed go up.

    Raises:
        KeyOfflineError: if a role must be signed and its key is not at hand.
    """

    def may_stay(role: str, metadata: Metadata[SignedRole]) -> bool:
        if role == forced or not is_signed(published.root.signed, metadata):
            return False
        return not grows_old(role, metadata.signed.expires, now) or (role == "targets" and targets_key_is_offline)

    targets, old_targets = None, published.targets
    if old_targets is None or old_targets.signed.targets != files or not may_stay("targets", old_targets):
        version = old_targets.signed.version + stride if old_targets else 1
        signed_targets = Targets(version=version, expires=expiry("targets", now), targets=dict(files))
        targets = sign(signed_targets, signers("targets"))

    snapshot, old_snapshot = None, published.snapshot
    if old_snapshot is None or targets is not None or not may_stay("snapshot", old_snapshot):
        version, meta = (old_snapshot.signed.version + stride, old_snapshot.signed.meta) if old_snapshot else (1, {})
        meta = {"targets.json": _meta_of(targets)} if targets else meta
        snapshot = sign(Snapshot(version=version, expires=expiry("snapshot", now), meta=meta), signers("snapshot"))

    timestamp, old_timestamp = None, published.timestamp
    if old_timestamp is None or snapshot is not None or not may_stay("timestamp", old_timestamp):
        version = old_timestamp.signed.version + stride if old_timestamp else 1
        named = _meta_of(snapshot) if snapshot else old_timestamp.signed.snapshot_meta if old_timestamp else None
        signed = Timestamp(version=version, expires=expiry("timestamp", now), snapshot_meta=named)
        timestamp = sign(signed, signers("timestamp"))
    return Step(targets, snapshot, timestamp)


def sign(signed: SignedRole, signers: Sequence[CryptoSigner]) -> Metadata[SignedRole]:
    """Puts one signature of each signer to what a role says."""
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def is_signed(root: Root, metadata: Metadata[SignedRole]) -> bool:
    """Tells whether the role's key that the root names has signed."""
    try:
        root.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError:
        return False
    return True


def grows_old(role: str, expires: datetime, now: datetime) -> bool:
    """Tells whether it is time to sign a role again."""
    return expires - now < LIFETIMES[role].renew_before


def expiry(role: str, now: datetime) -> datetime:
    """Gives until when a role that is signed now is valid; TUF counts in whole seconds."""
    return now.replace(microsecond=0) + LIFETIMES[role].valid


def _meta_of(metadata: Metadata[SignedRole]) -> MetaFile:
    content = metadata.to_bytes()
    return MetaFile(metadata.signed.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})
