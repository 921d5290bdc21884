"""One update, from the network to the release that scores messages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mobile_model.updater.decision import Adopt, Leave, decide
from mobile_model.updater.errors import DamagedStateError
from mobile_model.updater.fetcher import Fetcher, HttpFetcher
from mobile_model.updater.source import TrustedSource
from mobile_model.updater.standing import made_ago
from mobile_model.updater.store import PhoneStore, check_source


class UpdateKind(StrEnum):
    """What an update came to."""

    ADOPTED = "adopted"  # another release scores messages now
    KEPT = "kept"  # the release stays
    LEFT = "left"  # the release was withdrawn and nothing took its place
    EMPTY = "empty"  # there was no release, and none is offered


@dataclass(frozen=True)
class UpdateOutcome:
    """What an update came to.

    Args:
        kind: in one word.
        release: version of the release that scores messages now, or None.
        before: version of the release that did so until now, or None.
        is_candidate: whether the release is on trial with a share of the phones.
        age: how long ago the release was made.
    """

    kind: UpdateKind
    release: str | None
    before: str | None
    is_candidate: bool
    age: timedelta | None

    def describe(self) -> str:
        """Says it in words."""
        if self.kind is UpdateKind.LEFT:
            words = f"{self.before} was withdrawn and nothing takes its place"
            return f"{words}; every message is allowed until a release does"
        if self.kind is UpdateKind.EMPTY:
            return "the channel offers no release; every message is allowed until it does"
        made = made_ago(self.age or timedelta())
        trial = ", on trial with a share of the phones" if self.is_candidate else ""
        if self.kind is UpdateKind.KEPT:
            return f"{self.release} is up to date ({made}{trial})"
        return f"{self.before or 'no release'} -> {self.release} ({made}{trial})"


def utc_now() -> datetime:
    """Gives the time."""
    return datetime.now(UTC)


def update(
    store: PhoneStore,
    *,
    source: str | None = None,
    fetcher: Fetcher | None = None,
    now: Callable[[], datetime] = utc_now,
) -> UpdateOutcome:
    """Brings a phone to the release that its channel offers. Whatever fails, the phone goes on with what it had.

    Args:
        store: the phone.
        source: where to fetch this time, if not where the phone was told at first.
        fetcher: the network; HTTP if None.
        now: gives the time.

    Raises:
        UpdateError: see `errors.py` for its kinds.
    """
    settings = store.settings()
    check_source(source or settings.source)
    with store.exclusively():
        if fetcher is not None:
            return _update(store, source or settings.source, fetcher, now())
        with HttpFetcher() as http:
            return _update(store, source or settings.source, http, now())


def _update(store: PhoneStore, source: str, fetcher: Fetcher, now: datetime) -> UpdateOutcome:
    settings = store.settings()
    store.discard_downloads()
    before, is_sound = _what_scores(store)
    trusted = TrustedSource(store, source, fetcher, now)
    channel = trusted.channel(settings.channel)
    step = decide(channel, settings.draw, before, is_sound=is_sound)
    if isinstance(step, Adopt):
        if not trusted.has_verified(step.version):
            store.install(step.version, *trusted.release(step.version))
        store.switch(step.version, now)
    elif isinstance(step, Leave):
        store.switch(None, now)
    store.sweep()
    release = store.current()
    if release is None:
        kind = UpdateKind.LEFT if isinstance(step, Leave) else UpdateKind.EMPTY
        return UpdateOutcome(kind, None, before, is_candidate=False, age=None)
    kind = UpdateKind.ADOPTED if isinstance(step, Adopt) else UpdateKind.KEPT
    version = release.card.version
    return UpdateOutcome(kind, version, before, is_candidate=version == channel.candidate, age=release.age(now))


def _what_scores(store: PhoneStore) -> tuple[str | None, bool]:
    """Gives the version that scores messages, and whether its files are as they were verified."""
    try:
        state = store.state()
    except DamagedStateError:
        return None, False
    if state is None or state.release is None:
        return None, True
    try:
        store.installed(state.release)
    except DamagedStateError:
        return state.release, False
    return state.release, True
