"""What a phone does with what a channel offers. Pure: no clock, no file, no network."""

from dataclasses import dataclass

from shared.release_card import ChannelFile


@dataclass(frozen=True)
class Adopt:
    """Fetch this release and score with it."""

    version: str


@dataclass(frozen=True)
class Keep:
    """Go on as before: the phone has what it should have, or the channel offers nothing to replace it."""


@dataclass(frozen=True)
class Leave:
    """Stop scoring: the release was withdrawn and the channel names no other, so everything is allowed."""

    version: str


def decide(channel: ChannelFile, draw: int, current: str | None, *, is_sound: bool) -> Adopt | Keep | Leave:
    """Decides by the channel alone, so that every phone with this draw ends up with the same release.

    Args:
        channel: what the registry signed.
        draw: the phone's number from 0 to 99.
        current: version of the release that scores now.
        is_sound: whether that release's files are as they were verified.
    """
    is_candidate = channel.candidate is not None and draw < channel.percentage
    wanted = channel.candidate if is_candidate else channel.release
    if wanted is not None:
        return Keep() if wanted == current and is_sound else Adopt(wanted)
    return Leave(current) if current is not None and current in channel.withdrawn else Keep()
