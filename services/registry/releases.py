"""What may happen to releases and channels. Pure: no clock, no file, no database.

Errors:

    ReleaseError
     +- UnknownReleaseError     no candidate with this version was ever submitted
     +- UnknownChannelError     nothing was ever promoted to the channel
     +- NotPromotableError      the gate refused the release, or it was withdrawn
     +- AlreadyInServiceError   the release is in service for all phones, so it cannot go to a share of them
     +- NothingToRollBackError  no rollout is under way and no earlier release is left
     +- NeverAcceptedError      a refused candidate was never in service, so there is nothing to withdraw
     +- DifferentCandidateError the run submitted other bytes before
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

STABLE: Final = "stable"
"""The channel that every phone follows unless told otherwise, and whose release a candidate is compared with."""

ALL_PHONES: Final = 100
"""The percentage that ends a staged rollout: the candidate becomes the release in service."""


class ReleaseError(Exception):
    """A move that the rules of releases and channels do not allow; the text says why and what to do."""


class UnknownReleaseError(ReleaseError):
    """No candidate with this version was ever submitted."""


class UnknownChannelError(ReleaseError):
    """Nothing was ever promoted to the channel."""


class NotPromotableError(ReleaseError):
    """The gate refused the release, or it was withdrawn."""


class AlreadyInServiceError(ReleaseError):
    """The release is in service for all phones, so it cannot go to a share of them."""


class NothingToRollBackError(ReleaseError):
    """No rollout is under way and no earlier release is left."""


class NeverAcceptedError(ReleaseError):
    """A refused candidate was never in service, so there is nothing to withdraw."""


class DifferentCandidateError(ReleaseError):
    """The run, or another with the same version, submitted other bytes before."""


class ReleaseState(StrEnum):
    """Where a release is in its life. Whether it is in service is a matter of channels, not of the release."""

    ACCEPTED = "accepted"  # passed the gate; may be promoted
    REFUSED = "refused"  # did not pass the gate; stays as a record, for ever
    WITHDRAWN = "withdrawn"  # passed once, and was taken back for ever


class ChannelEventKind(StrEnum):
    """What happened to a channel."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    WITHDRAW = "withdraw"


@dataclass(frozen=True)
class Channel:
    """What one channel offers to phones.

    Args:
        name: as in `channels/<name>.json`.
        release: the release in service, or None.
        candidate: the release that a share of the phones gets, or None.
        percentage: the candidate's share, 1 to 99; 0 without a candidate.
        former: releases that were in service before and could be again, newest first.
    """

    name: str
    release: str | None = None
    candidate: str | None = None
    percentage: int = 0
    former: tuple[str, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """All releases that this channel offers or could fall back to."""
        return frozenset({self.release, self.candidate, *self.former} - {None})  # type: ignore[arg-type]


def promote(channel: Channel, version: str, state: ReleaseState, percentage: int) -> Channel:
    """Offers a release to a share of the phones, or to all.

    Repeating the same promotion changes nothing. A candidate that was out is replaced.

    Raises:
        NotPromotableError: if the release is refused or withdrawn.
        AlreadyInServiceError: if all phones have the release and the percentage is below 100.
    """
    if state is not ReleaseState.ACCEPTED:
        raise NotPromotableError(f"{version} is {state}; only an accepted release can be promoted")
    if percentage < ALL_PHONES:
        if channel.release == version:
            raise AlreadyInServiceError(f"{version} is in service for all phones; roll back instead")
        return replace(channel, candidate=version, percentage=percentage)
    if channel.release == version:
        return replace(channel, candidate=None, percentage=0)
    former = _put_first(channel.release, channel.former, version)
    return replace(channel, release=version, candidate=None, percentage=0, former=former)


def roll_back(channel: Channel) -> Channel:
    """Goes back one step: ends a rollout that is under way, or else puts the release before into service.

    Raises:
        NothingToRollBackError: if there is neither a candidate nor a former release.
    """
    if channel.candidate is not None:
        return replace(channel, candidate=None, percentage=0)
    if not channel.former:
        raise NothingToRollBackError(
            f"channel {channel.name} has no earlier release; to take its only release out of service, withdraw it"
        )
    return replace(channel, release=channel.former[0], former=channel.former[1:])


def withdraw(state: ReleaseState, version: str) -> ReleaseState:
    """Takes a release back for ever; doing it again changes nothing.

    Raises:
        NeverAcceptedError: if the gate refused it.
    """
    if state is ReleaseState.REFUSED:
        raise NeverAcceptedError(f"{version} was refused by the gate and never was in service")
    return ReleaseState.WITHDRAWN


def without(channel: Channel, version: str) -> Channel:
    """Removes a withdrawn release from a channel; what was in service before takes its place, or nothing does.

    A rollout that is under way goes on, unless its candidate is the release withdrawn or the one that takes its place.
    """
    release, former = channel.release, tuple(known for known in channel.former if known != version)
    if release == version:
        release, former = (former[0], former[1:]) if former else (None, ())
    if channel.candidate in {version, release}:
        return replace(channel, release=release, candidate=None, percentage=0, former=former)
    return replace(channel, release=release, former=former)


def offered(channels: Collection[Channel]) -> frozenset[str]:
    """Gives every release whose files phones may ask for now."""
    return frozenset(
        version for channel in channels for version in (channel.release, channel.candidate) if version is not None
    )


def _put_first(newest: str | None, former: tuple[str, ...], promoted: str) -> tuple[str, ...]:
    kept = [version for version in former if version not in {newest, promoted}]
    return (newest, *kept) if newest is not None else tuple(kept)
