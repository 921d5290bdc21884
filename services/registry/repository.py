"""The published TUF repository on disk: consistent snapshots, switched by one rename.

A publication writes the target files, then `N.targets.json`, then `N.snapshot.json`, and last of all renames
`timestamp.json`. That rename is the moment of truth: whatever was written before it and is not named by it was never
published, and is thrown away at the next publication. Versions only ever grow.

The root metadata is the only file that names keys. A rotation signs the role with the old and the new key first, then
publishes the new root, so that at no moment a phone meets metadata that its root does not cover.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from services.registry.files import DRAFT_PREFIX, Disk
from services.registry.metadata import (
    BrokenRepositoryError,
    DevelopmentKeysError,
    KeyOfflineError,
    NoRepositoryError,
    Published,
    SignedRole,
    Signers,
    Target,
    expiry,
    grows_old,
    is_signed,
    next_step,
    sign,
)
from services.registry.signing import ROLES, KeyFolder

DEVELOPMENT_MARK: Final = "x-quietline-development"
ALWAYS_ONLINE: Final = ("snapshot", "timestamp")
"""Roles whose metadata expires so soon that no person can bring their keys each time."""
LEAP: Final = 10_000
"""More publications than there can be between a backup and its restoration."""
KEPT_VERSIONS: Final = 5
"""How many publications stay complete on the disk, for phones that are in the middle of an update."""


@dataclass(frozen=True)
class Publication:
    """Everything of a new state is on the disk, but for one rename."""

    draft: Path
    timestamp: Path
    disk: Disk

    def go_live(self) -> None:
        """Shows the new state to phones."""
        self.disk.put_in_place(self.draft, self.timestamp)


class Repository:
    """One directory with `metadata/` and `targets/`. The caller lets only one process at a time change it.

    Args:
        directory: what a static server serves.
        keys: private keys that are online.
        now: gives the time.
        disk: writes the files.
    """

    def __init__(self, directory: Path, keys: KeyFolder, now: Callable[[], datetime], disk: Disk) -> None:
        self._metadata = directory / "metadata"
        self._targets = directory / "targets"
        self._keys = keys
        self._now = now
        self._disk = disk

    def exists(self) -> bool:
        """Tells whether a root was ever published here."""
        return (self._metadata / "1.root.json").exists()

    def create(self, root_keys: KeyFolder, *, development: bool) -> None:
        """Makes keys for all roles and the first root; nothing is offered to phones yet.

        Args:
            root_keys: where the root key goes.
            development: marks the root, so that production refuses it.
        """
        root = Root(expires=expiry("root", self._now()), consistent_snapshot=True)
        root_signer = root_keys.make("root")
        root.add_key(root_signer.public_key, "root")
        for role in ROLES[1:]:
            root.add_key(self._keys.make(role).public_key, role)
        if development:
            root.unrecognized_fields[DEVELOPMENT_MARK] = True
        self._write(sign(root, [root_signer]))

    def refuse_development(self) -> None:
        """Makes sure that production does not run on keys that were made for development.

        Raises:
            DevelopmentKeysError: if the root is marked, or a root key lies beside the keys that are online.
        """
        if self._newest_root().signed.unrecognized_fields.get(DEVELOPMENT_MARK):
            raise DevelopmentKeysError(
                "what is published was made with development keys, which production refuses; "
                "name an empty folder and run `quietline keys init`"
            )
        if self._keys.holds("root"):
            raise DevelopmentKeysError("a root key lies beside the keys that are online; production refuses that")

    def stage(self, targets: Sequence[Target]) -> Publication | None:
        """Prepares a state that offers exactly these files; None if phones see it already and nothing grows old.

        Raises:
            KeyOfflineError: if a key must sign that is not there.
            OSError: if the disk is full or broken; phones then still see the old state.
        """
        self.sweep()
        for target in targets:
            path = self._published_path(target.file)
            if not path.exists():
                self._disk.write(path, _checked(target))
        published = self.published()
        return self._prepare(published, {target.path: target.file for target in targets}, self._signers(published))

    def shows(self, targets: Sequence[Target]) -> bool:
        """Tells whether phones see exactly these files."""
        published = self.published()
        return published.targets is not None and published.targets.signed.targets == {
            target.path: target.file for target in targets
        }

    def rotate(self, role: str, root_keys: KeyFolder) -> int:
        """Replaces the key of a role and gives the new root's version.

        A phone that knows any earlier root follows the chain to the new one by itself. If the old key of a role was
        lost, phones refuse what they see for the moment between the new root and the new signature.

        Args:
            role: one of `ROLES`.
            root_keys: where the root key is, and where a new one goes; other keys kept offline may lie here too.

        Raises:
            KeyOfflineError: if the root key is not there.
        """
        published = self.published()
        root = deepcopy(published.root.signed)
        root_signers = [_require(root_keys, root, "root")]
        folder = root_keys if role == "root" or _find(root_keys, root, role) else self._keys
        old_signer, new_signer = _find(folder, root, role), folder.make(role)
        if role == "root":
            root_signers.append(new_signer)
        elif old_signer is not None:
            self._sign_anew(role, [old_signer, new_signer])
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        root.add_key(new_signer.public_key, role)
        root.version += 1
        root.expires = expiry("root", self._now())
        self._write(sign(root, root_signers))
        if old_signer is None:
            self._sign_anew(role, [new_signer])
        folder.keep_only(role, new_signer.public_key)
        return root.version

    def leap(self) -> bool:
        """Publishes what phones see under versions that none of them can have met, after an older state was restored.

        Phones refuse metadata that is older than what they know, and some know what was published after the backup.

        Returns:
            whether the targets took part, whose key may be offline; without them a phone that met newer targets waits
            for the next change that is promoted.

        Raises:
            KeyOfflineError: if a key is missing that must be online.
        """
        published = self.published()
        if published.targets is None:
            return True
        is_complete = _find(self._keys, published.root.signed, "targets") is not None
        publication = self._prepare(
            published,
            published.targets.signed.targets,
            self._signers(published),
            forced="targets" if is_complete else "snapshot",
            stride=LEAP,
        )
        if publication is not None:
            publication.go_live()
        return is_complete

    def renew_root(self, root_keys: KeyFolder) -> bool:
        """Publishes the root anew with the same keys if it nears its end and its private key is at hand."""
        root = self._newest_root().signed
        signer = _find(root_keys, root, "root")
        if signer is None or not grows_old("root", root.expires, self._now()):
            return False
        renewed = deepcopy(root)
        renewed.version += 1
        renewed.expires = expiry("root", self._now())
        self._write(sign(renewed, [signer]))
        return True

    def growing_old(self) -> dict[str, datetime]:
        """Gives the roles that should have been signed again by now, with the moment from which phones refuse them."""
        expiries = self.published().expiries()
        return {role: expires for role, expires in expiries.items() if grows_old(role, expires, self._now())}

    def offline_roles(self) -> list[str]:
        """Names the roles that sign by themselves and whose keys are not at hand.

        Raises:
            SigningKeyError: if a key file cannot be read.
        """
        root = self._newest_root().signed
        return [role for role in ALWAYS_ONLINE if _find(self._keys, root, role) is None]

    def published(self) -> Published:
        """Reads what phones see now.

        Raises:
            NoRepositoryError: if there is no root.
            BrokenRepositoryError: if a file that is named is gone or damaged.
        """
        root = self._newest_root()
        if not (self._metadata / "timestamp.json").exists():
            if (self._metadata / "2.snapshot.json").exists():
                raise _broken("timestamp.json", "gone")
            return Published(root)
        timestamp = self._load("timestamp.json", Timestamp)
        snapshot = self._load(f"{timestamp.signed.snapshot_meta.version}.snapshot.json", Snapshot)
        targets = self._load(f"{snapshot.signed.meta['targets.json'].version}.targets.json", Targets)
        return Published(root, targets, snapshot, timestamp)

    def sweep(self) -> None:
        """Removes drafts, what was never published, and what is older than the last few publications."""
        published = self.published()
        for draft in (*self._metadata.glob(f"{DRAFT_PREFIX}*"), *self._targets.rglob(f"{DRAFT_PREFIX}*")):
            self._disk.remove(draft)
        if published.targets is None or published.snapshot is None:
            return
        for role, current in (("snapshot", published.snapshot.signed), ("targets", published.targets.signed)):
            for path in self._metadata.glob(f"*.{role}.json"):
                age = current.version - _version_of(path)
                if not 0 <= age < KEPT_VERSIONS:
                    self._disk.remove(path)
        kept = {
            self._published_path(file)
            for path in self._metadata.glob("*.targets.json")
            for file in self._load(path.name, Targets).signed.targets.values()
        }
        for path in [path for path in self._targets.rglob("*") if path.is_file() and path not in kept]:
            self._disk.remove(path)

    def _prepare(
        self,
        published: Published,
        files: Mapping[str, TargetFile],
        signers: Signers,
        forced: str | None = None,
        stride: int = 1,
    ) -> Publication | None:
        offline = _find(self._keys, published.root.signed, "targets") is None
        step = next_step(
            published, files, signers, self._now(), forced=forced, targets_key_is_offline=offline, stride=stride
        )
        if step.targets is not None:
            self._write(step.targets)
        if step.snapshot is not None:
            self._write(step.snapshot)
        if step.timestamp is None:
            return None
        path = self._metadata / "timestamp.json"
        return Publication(self._disk.write_draft(path, step.timestamp.to_bytes()), path, self._disk)

    def _sign_anew(self, role: str, signers: list[CryptoSigner]) -> None:
        """Publishes what phones see already, but with these signatures for the role."""
        published = self.published()
        if published.targets is None:
            return
        usual = self._signers(published)
        publication = self._prepare(
            published, published.targets.signed.targets, lambda asked: signers if asked == role else usual(asked), role
        )
        if publication is not None:
            publication.go_live()

    def _signers(self, published: Published) -> Signers:
        return lambda role: [_require(self._keys, published.root.signed, role)]

    def _published_path(self, file: TargetFile) -> Path:
        """Gives where consistent snapshots put a file."""
        path = self._targets / file.path
        return path.with_name(f"{file.hashes['sha256']}.{path.name}")

    def _newest_root(self) -> Metadata[Root]:
        roots = sorted(self._metadata.glob("[0-9]*.root.json"), key=_version_of)
        if not roots:
            raise NoRepositoryError("nothing was ever published; run `quietline keys init`")
        root = self._load(roots[-1].name, Root)
        if not is_signed(root.signed, root):
            raise _broken(roots[-1].name, "not signed by its own key")
        return root

    def _load(self, name: str, kind: type[SignedRole]) -> Metadata[SignedRole]:
        try:
            metadata = Metadata[SignedRole].from_bytes((self._metadata / name).read_bytes())
        except FileNotFoundError as error:
            raise _broken(name, "gone") from error
        except TufError as error:
            raise _broken(name, "damaged") from error
        if metadata.signed.type != kind.type:
            raise _broken(name, f"not metadata of the role {kind.type}")
        return metadata

    def _write(self, metadata: Metadata[SignedRole]) -> None:
        name = f"{metadata.signed.version}.{metadata.signed.type}.json"
        self._disk.write(self._metadata / name, metadata.to_bytes())


def _find(folder: KeyFolder, root: Root, role: str) -> CryptoSigner | None:
    return folder.find(root.get_key(root.roles[role].keyids[0]))


def _require(folder: KeyFolder, root: Root, role: str) -> CryptoSigner:
    signer = _find(folder, root, role)
    if signer is None:
        name = folder.file_name(role, root.get_key(root.roles[role].keyids[0]))
        if role == "root":  # production refuses to run with a root key in the folder of keys
            raise KeyOfflineError(f"the root key is offline; name the folder that holds {name} with --root-keys")
        raise KeyOfflineError(
            f"the {role} key is offline; put {name} into the folder of keys for as long as this takes"
        )
    return signer


def _version_of(path: Path) -> int:
    return int(path.name.partition(".")[0])


def _broken(name: str, how: str) -> BrokenRepositoryError:
    return BrokenRepositoryError(f"{name} is {how}; restore what was published from a backup")


def _checked(target: Target) -> bytes:
    content = target.read()
    if hashlib.sha256(content).hexdigest() != target.sha256:
        raise BrokenRepositoryError(f"the stored file of {target.path} is damaged; restore it from a backup")
    return content
