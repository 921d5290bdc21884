"""What can be asked of the registry, each within one open transaction: rules from the domain, rows from the store."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from services.registry import store
from services.registry.gate import judge
from services.registry.releases import (
    STABLE,
    Channel,
    ChannelEventKind,
    DifferentCandidateError,
    ReleaseState,
    UnknownChannelError,
    UnknownReleaseError,
    promote,
    roll_back,
    withdraw,
    without,
)
from services.registry.submissions import Submission

AUTOMATIC: Final = "automatic promotion"
"""Stands in the history where a key's name would."""


@dataclass(frozen=True)
class Actor:
    """Who does something, and when."""

    name: str
    at: datetime


def submit(session: Session, submission: Submission, actor: Actor) -> tuple[store.Release, bool]:
    """Judges a candidate and keeps it, refused or not; its model was verified and stored before.

    Returns:
        the release and whether it is new; a repetition of what the run submitted before changes nothing.

    Raises:
        DifferentCandidateError: if the run, or another under the same version, submitted something else before.
    """
    card = submission.card
    known = store.find_submission(session, card.version, card.run_id)
    if known is not None:
        if known.submission_sha256 == submission.sha256:
            return known, False
        raise DifferentCandidateError(f"{known.version} is there already with other content; start a new run")
    judgement = judge(card, submission.evidence, len(submission.model), find_channel(session, STABLE).release)
    release = store.Release(
        version=card.version,
        run_id=card.run_id,
        state=ReleaseState.ACCEPTED if judgement.accepted else ReleaseState.REFUSED,
        submitted_at=actor.at,
        submitted_by=actor.name,
        submission_sha256=submission.sha256,
        reasons=judgement.reasons,
        notes=judgement.notes,
        figures=judgement.figures,
        card=submission.card_text,
        evidence=submission.evidence_text,
        model_sha256=hashlib.sha256(submission.model).hexdigest(),
        model_length_bytes=len(submission.model),
    )
    store.add_release(session, release)
    return release, True


def promote_release(session: Session, name: str, version: str, percentage: int, actor: Actor) -> Channel:
    """Offers a release on a channel; see `releases.promote`. Raises UnknownReleaseError too."""
    release = find_release(session, version)
    before = find_channel(session, name)
    after = promote(before, version, release.state, percentage)
    if after != before:
        event = store.ChannelEvent(actor.at, ChannelEventKind.PROMOTE, version, percentage, actor.name, None, after)
        store.add_event(session, event)
    return after


def promote_by_itself(session: Session, name: str, version: str, percentage: int, at: datetime) -> None:
    """Offers a release that was just accepted, unless it was ever on the channel before.

    So a submission that is repeated after a crash is promoted at last, but never brings back what was rolled back.
    """
    if not store.was_on_channel(session, name, version):
        promote_release(session, name, version, percentage, Actor(AUTOMATIC, at))


def roll_back_channel(session: Session, name: str, actor: Actor) -> Channel:
    """Takes a channel one step back; see `releases.roll_back`."""
    after = roll_back(require_channel(session, name))
    event = store.ChannelEvent(actor.at, ChannelEventKind.ROLLBACK, after.release, None, actor.name, None, after)
    store.add_event(session, event)
    return after


def withdraw_release(session: Session, version: str, reason: str, actor: Actor) -> store.Release:
    """Takes a release back for ever, and out of every channel. Raises what `releases.withdraw` does."""
    release = find_release(session, version)
    if withdraw(release.state, version) is release.state:
        return release
    store.mark_withdrawn(session, version, actor.at, actor.name, reason)
    for channel in store.list_channels(session):
        if version in channel.named:
            after = without(channel, version)
            event = store.ChannelEvent(actor.at, ChannelEventKind.WITHDRAW, version, None, actor.name, reason, after)
            store.add_event(session, event)
    session.flush()
    return find_release(session, version)


def find_release(session: Session, version: str) -> store.Release:
    """Gives a release.

    Raises:
        UnknownReleaseError: if it was never submitted.
    """
    release = store.find_release(session, version)
    if release is None:
        raise UnknownReleaseError(f"no candidate {version} was ever submitted")
    return release


def find_channel(session: Session, name: str) -> Channel:
    """Gives what a channel offers; one to which nothing ever happened offers nothing."""
    return store.find_channel(session, name) or Channel(name)


def require_channel(session: Session, name: str) -> Channel:
    """Gives what a channel offers.

    Raises:
        UnknownChannelError: if nothing was ever promoted there; `stable` is always known.
    """
    channel = store.find_channel(session, name)
    if channel is None and name != STABLE:
        raise UnknownChannelError(f"nothing was ever promoted to the channel {name}")
    return channel or Channel(name)


def list_channels(session: Session) -> list[Channel]:
    """Gives all channels by name, and `stable` even if nothing was promoted yet."""
    channels = {channel.name: channel for channel in store.list_channels(session)}
    channels.setdefault(STABLE, Channel(STABLE))
    return sorted(channels.values(), key=lambda channel: channel.name)
