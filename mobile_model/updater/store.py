"""What lies on a phone, and the few ways in which it changes.

    root.json              the root of trust that the phone was given
    phone.json             source, channel and the phone's draw for staged rollouts
    metadata/              TUF metadata that was verified before; what makes a step back impossible
    releases/<version>/    model.onnx and card.json, verified
    current                names the release that scores messages
    incoming/              downloads that are not verified yet

Every change is one rename, so whatever is cut off when, the phone has a whole release or none.
"""

import fcntl
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root

from mobile_model.updater.disk import DRAFT_PREFIX, Disk, reading_disk, writing_disk
from mobile_model.updater.errors import (
    AlreadyInitialisedError,
    BusyError,
    DamagedStateError,
    InvalidRootError,
    NotInitialisedError,
    UnreachableError,
)
from shared.release_card import ReleaseCard, Version, root_fingerprint

DRAWS: Final = 100
MAX_ROOT_BYTES: Final = 512 * 1024


class PhoneSettings(BaseModel):
    """`phone.json`: what a phone decided once and keeps.

    `draw` is compared with a rollout's percentage. It never leaves the phone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["quietline-phone/1"] = "quietline-phone/1"
    source: str
    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")] = "stable"
    draw: Annotated[int, Field(ge=0, lt=DRAWS)]


class CurrentFile(BaseModel):
    """`current`: the release that scores messages. None if it was withdrawn and nothing took its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: Version | None
    before: Version | None
    since: AwareDatetime


@dataclass(frozen=True)
class InstalledRelease:
    """A verified release on the phone.

    Args:
        model: bytes of model.onnx.
        card: its release card.
    """

    model: bytes
    card: ReleaseCard

    def age(self, now: datetime) -> timedelta:
        """How long ago the release was made."""
        return now - self.card.created_at


class PhoneStore:
    """The folder of one phone.

    Args:
        directory: where everything lies; made by `initialise`.
        disk: writes the files.
    """

    def __init__(self, directory: Path, disk: Disk | None = None) -> None:
        self.directory = directory
        self._disk = disk or Disk()

    @property
    def metadata_folder(self) -> Path:
        """Where the TUF client keeps what it trusts."""
        return self.directory / "metadata"

    @property
    def incoming_folder(self) -> Path:
        """Where downloads go before they are verified."""
        return self.directory / "incoming"

    def is_initialised(self) -> bool:
        """Tells whether the folder holds a phone.

        Raises:
            DiskError: if the folder may not be looked into.
        """
        with reading_disk():
            return self._settings_file.exists() and self._root_file.exists()

    def initialise(
        self,
        root: bytes,
        source: str,
        *,
        channel: str = "stable",
        replace: bool = False,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> str:
        """Makes a phone that trusts a root, and gives the root's fingerprint for the person to compare.

        Args:
            root: content of `root.json`, from someone whom the person trusts.
            source: address of the published directory, such as https://example.org/tuf/.
            channel: which channel to follow.
            replace: whether a phone that is there already, with its releases, may be thrown away.
            draw: gives a random number below its argument.

        Raises:
            InvalidRootError: if it is no root signed by its own keys.
            AlreadyInitialisedError: if a phone is there and may not be replaced.
            UnreachableError: if the source is no address.
            DiskFullError: if there is no room; then there is no phone.
        """
        check_root(root)
        check_source(source)
        if self.is_initialised() and not replace:
            raise AlreadyInitialisedError(
                f"{self.directory} holds a phone already; a new root throws away what it trusts and its releases, "
                "so say so with --replace"
            )
        with self.exclusively():
            self._disk.remove(self._settings_file)
            self._disk.remove(self._current_file)
            for folder in (self.metadata_folder, self.incoming_folder, self._releases_folder):
                self._disk.remove_folder(folder)
            self._disk.write(self._root_file, root)
            settings = PhoneSettings(source=source, channel=channel, draw=draw(DRAWS))
            self._disk.write(self._settings_file, settings.model_dump_json(indent=1).encode())
        return root_fingerprint(root)

    def root(self) -> bytes:
        """Gives the root that the phone was given."""
        with reading_disk():
            return self._root_file.read_bytes()

    def settings(self) -> PhoneSettings:
        """Gives what the phone decided once.

        Raises:
            NotInitialisedError: if the folder holds no phone.
            DamagedStateError: if the file was changed.
        """
        if not self.is_initialised():
            raise NotInitialisedError(f"{self.directory} holds no phone yet; run `quietline phone init --root FILE`")
        try:
            with reading_disk():
                return PhoneSettings.model_validate_json(self._settings_file.read_bytes())
        except ValidationError as error:
            raise self._damaged("phone.json") from error

    def state(self) -> CurrentFile | None:
        """Gives which release is current and since when; None if there never was one.

        Raises:
            DamagedStateError: if the file was changed.
        """
        try:
            with reading_disk():
                return CurrentFile.model_validate_json(self._current_file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise self._damaged("current") from error

    def current(self) -> InstalledRelease | None:
        """Gives the release that scores messages; None if there is none, and then everything is allowed.

        Raises:
            DamagedStateError: if its files were changed or lost since they were verified.
        """
        state = self.state()
        if state is None or state.release is None:
            return None
        return self.installed(state.release)

    def withdrawn(self) -> str | None:
        """Gives the release that was withdrawn with nothing to take its place; None if that is not how things are.

        Raises:
            DamagedStateError: if the file was changed.
        """
        state = self.state()
        return state.before if state is not None and state.release is None else None

    def installed(self, version: str) -> InstalledRelease:
        """Gives a release that was verified before.

        Raises:
            DamagedStateError: if its files were changed or lost.
        """
        folder = self.release_folder(version)
        try:
            with reading_disk():
                card = ReleaseCard.from_json((folder / "card.json").read_bytes())
                model = (folder / "model.onnx").read_bytes()
        except (FileNotFoundError, ValidationError) as error:
            raise self._damaged(f"releases/{version}") from error
        if f"sha256:{hashlib.sha256(model).hexdigest()}" != card.model.sha256:
            raise self._damaged(f"releases/{version}/model.onnx")
        return InstalledRelease(model, card)

    def release_folder(self, version: str) -> Path:
        """Gives the folder of a release, there or not."""
        return self._releases_folder / version

    def install(self, version: str, card: bytes, model: bytes) -> None:
        """Puts a verified release beside the others; it does not score yet.

        Raises:
            DiskFullError: if there is no room.
        """
        with writing_disk():
            self._disk.write_folder(self.release_folder(version), {"card.json": card, "model.onnx": model})

    def switch(self, version: str | None, now: datetime) -> None:
        """Makes an installed release current, or none, and keeps the one before it.

        Raises:
            DiskFullError: if there is no room.
        """
        try:
            state = self.state()
        except DamagedStateError:
            state = None
        before = state.release if state else None
        content = CurrentFile(release=version, before=before, since=now)
        with writing_disk():
            self._disk.write(self._current_file, content.model_dump_json(indent=1).encode())

    def discard_downloads(self) -> None:
        """Removes what an update that was cut off left behind."""
        with writing_disk():
            self._disk.remove_folder(self.incoming_folder)
            for folder in self._releases_folder.glob(f"{DRAFT_PREFIX}*"):
                self._disk.remove_folder(folder)
            for draft in self.directory.glob(f"{DRAFT_PREFIX}*"):
                self._disk.remove(draft)

    def sweep(self) -> None:
        """Removes downloads, and all releases but the current one and the one before it."""
        self.discard_downloads()
        state = self.state()
        kept = {state.release, state.before} if state else set()
        with writing_disk():
            for folder in self._releases_folder.glob("*"):
                if folder.name not in kept:
                    self._disk.remove_folder(folder)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Lets one update at a time change the phone.

        Raises:
            BusyError: if another is under way.
        """
        with writing_disk():
            self.directory.mkdir(parents=True, exist_ok=True)
            with (self.directory / ".lock").open("ab") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise BusyError(f"another update of {self.directory} is under way; wait for its end") from error
                yield

    @property
    def _root_file(self) -> Path:
        return self.directory / "root.json"

    @property
    def _settings_file(self) -> Path:
        return self.directory / "phone.json"

    @property
    def _current_file(self) -> Path:
        return self.directory / "current"

    @property
    def _releases_folder(self) -> Path:
        return self.directory / "releases"

    def _damaged(self, name: str) -> DamagedStateError:
        return DamagedStateError(f"{self.directory / name} was changed or lost; `quietline phone update` mends it")


def check_root(root: bytes) -> None:
    """Makes sure that a file is a root of trust, signed by its own keys.

    Raises:
        InvalidRootError: if it is not.
    """
    if len(root) > MAX_ROOT_BYTES:
        raise InvalidRootError("the file is too long to be a root.json")
    try:
        metadata = Metadata[Root].from_bytes(root)
        if not isinstance(metadata.signed, Root):
            raise InvalidRootError("the file is TUF metadata, but of another role than root")
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except TufError as error:
        raise InvalidRootError("the file is no root.json signed by its own keys") from error


def check_source(source: str) -> None:
    """Makes sure that a source is an HTTP address.

    Raises:
        UnreachableError: if it is not.
    """
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise UnreachableError("the source is no address; it looks like https://example.org/tuf/") from error
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise UnreachableError("the source is no address; it looks like https://example.org/tuf/")
