"""Keeps the published repository equal to the database, whatever is killed when.

A change of a channel goes: lock, write the database without committing, prepare the publication, commit, show it. If
anything fails before the commit nothing has happened; if the process is killed after it, the next start shows what
was committed. So the database is the truth and the repository follows.
"""

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from structlog.contextvars import bind_contextvars

from services.registry import store
from services.registry.blobs import BlobError, ModelBlobs
from services.registry.metadata import KeyOfflineError, Published, RepositoryError, Target
from services.registry.operations import list_channels
from services.registry.releases import Channel, offered
from services.registry.repository import Repository
from services.registry.signing import KeyFolder, SigningKeyError
from shared.database import DATABASE_ERRORS, reading, writing
from shared.release_card import ChannelFile

RESIGN_EVERY: Final = timedelta(minutes=5)
"""A look costs a few files and one query; seldom would be enough, but a machine that slept must wake up to it soon."""

RETRY_AFTER: Final = timedelta(minutes=1)

Moved = TypeVar("Moved")

log = structlog.get_logger()


class NotYetPublishedError(Exception):
    """The change is recorded for good, but phones cannot see it yet."""


class Publisher:
    """Changes channels, and shows them to phones.

    Args:
        engine: the registry's database.
        repository: what phones read.
        keys: keys that are online; in development also the root key.
        blobs: the compressed models.
        now: gives the time.
        lock_file: taken by whichever process changes the repository.
        production: whether development keys are refused instead of made.
    """

    def __init__(
        self,
        engine: Engine,
        repository: Repository,
        keys: KeyFolder,
        blobs: ModelBlobs,
        *,
        now: Callable[[], datetime],
        lock_file: Path,
        production: bool,
    ) -> None:
        self._engine = engine
        self._repository = repository
        self._keys = keys
        self._blobs = blobs
        self._now = now
        self._lock_file = lock_file
        self._production = production

    def change(self, move: Callable[[Session], Moved]) -> Moved:
        """Runs a change of channels in one transaction and publishes what it leads to.

        Raises:
            RepositoryError: if it cannot be published, for example since a key is offline; then nothing was changed.
            NotYetPublishedError: if it is recorded, but the last step of publishing failed; it is tried again.
        """
        with locked(self._lock_file):
            with writing(self._engine) as session:
                moved = move(session)
                session.flush()
                publication = self._repository.stage(self._targets(session))
            if publication is not None:
                try:
                    publication.go_live()
                except OSError as error:
                    raise NotYetPublishedError(
                        "The change is recorded; phones will see it within minutes, when the disk can be written."
                    ) from error
        return moved

    def prepare(self) -> None:
        """Makes the repository on first run, and completes or throws away what a killed process left behind.

        What cannot be published now, for a key that is offline, a full disk or a database that does not answer, is
        tried again by the re-signing job and told by `complaint`; the service starts all the same.

        Raises:
            RepositoryError: if production has no keys, or development keys, or the repository is damaged.
        """
        with locked(self._lock_file):
            if not self._production and not self._repository.exists():
                self._repository.create(self._keys, development=True)
            if self._production:
                self._repository.refuse_development()
        try:
            self.refresh()
        except (KeyOfflineError, SigningKeyError, BlobError, *DATABASE_ERRORS, OSError) as error:
            log.warning("publishing_is_behind", kind=type(error).__name__)

    def refresh(self) -> None:
        """Publishes what the database says if phones see anything else, and signs anew what grows old."""
        with locked(self._lock_file), reading(self._engine) as session:
            if not self._production:
                self._repository.renew_root(self._keys)
            publication = self._repository.stage(self._targets(session))
            if publication is not None:
                publication.go_live()
                log.info("published", channels=[channel.name for channel in list_channels(session)])
            for role, expires in self._repository.growing_old().items():
                log.warning("signature_grows_old", role=role, expires_at=expires.isoformat())

    def complaint(self) -> str | None:
        """Says what keeps phones from updating, or None."""
        try:
            expired = [role for role, at in self._repository.published().expiries().items() if at <= self._now()]
            with reading(self._engine) as session:
                is_shown = self._repository.shows(self._targets(session))
        except RepositoryError as error:
            return str(error)
        if expired:
            return f"signatures have expired: {', '.join(expired)}"
        return None if is_shown else "phones do not see the newest change yet: a key is offline or the disk is full"

    def complaint_of_keys(self) -> str | None:
        """Says which keys that must be online cannot be used, or gives None."""
        try:
            offline = self._repository.offline_roles()
        except (RepositoryError, SigningKeyError) as error:
            return str(error)
        return f"these signing keys are not in the folder of keys: {', '.join(offline)}" if offline else None

    def published(self) -> Published | None:
        """Gives what phones see now; None if that cannot be read."""
        try:
            return self._repository.published()
        except RepositoryError:
            return None

    def _targets(self, session: Session) -> list[Target]:
        channels = list_channels(session)
        withdrawn = store.withdrawn_versions(session)
        targets = [
            Target.of(f"channels/{channel.name}.json", channel_file(channel, withdrawn).to_json())
            for channel in channels
        ]
        for version in sorted(offered(channels)):
            release = store.find_release(session, version)
            if release is None:
                raise RepositoryError(f"a channel names {version}, which the database does not hold")
            targets.append(Target.of(f"releases/{version}/card.json", release.card.encode()))
            targets.append(self._model(release))
        return targets

    def _model(self, release: store.Release) -> Target:
        sha256 = release.model_sha256
        path = f"releases/{release.version}/model.onnx.gz"
        return Target(path, release.model_length_bytes, sha256, lambda: self._blobs.get(sha256))


class Resigning:
    """A thread that keeps the repository fresh until it is stopped."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resigning", daemon=True)

    def start(self) -> None:
        """Begins with a refresh at once, after whatever time the registry was off."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a refresh under way ends first."""
        self._stopping.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        bind_contextvars(service="registry")
        pause = timedelta(0)
        while not self._stopping.wait(pause.total_seconds()):
            pause = RESIGN_EVERY if self._refresh() else RETRY_AFTER

    def _refresh(self) -> bool:
        try:
            self._publisher.refresh()
        except (RepositoryError, SigningKeyError, BlobError, *DATABASE_ERRORS, OSError) as error:
            log.warning("resigning_failed", kind=type(error).__name__)
            return False
        return True


def channel_file(channel: Channel, withdrawn: tuple[str, ...]) -> ChannelFile:
    """Gives what phones read of a channel."""
    return ChannelFile(
        release=channel.release, candidate=channel.candidate, percentage=channel.percentage, withdrawn=withdrawn
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one thread of one process at a time in; the lock is gone when its holder is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
