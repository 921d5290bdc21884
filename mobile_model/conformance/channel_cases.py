"""What a channel may offer, and what a phone does with it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mobile_model.updater.decision import Adopt, Keep, Leave, decide
from shared.release_card import ChannelFile

_OLD: Final = "20260101-000000-0000000a"
_NEW: Final = "20260201-000000-0000000b"
_TRIED: Final = "20260301-000000-0000000c"


def channel_cases() -> Iterator[Mapping[str, Any]]:
    """Gives channels with the phone's draw and release, and the step that follows."""
    plain = _channel(_NEW)
    for current, is_sound in ((None, True), (_OLD, True), (_NEW, True), (_NEW, False)):
        yield _case(plain, 50, current, is_sound=is_sound)
    trial = _channel(_NEW, candidate=_TRIED, percentage=10)
    for draw, current in ((0, _NEW), (9, _NEW), (10, _NEW), (99, _NEW), (9, _TRIED), (10, _TRIED), (9, None)):
        yield _case(trial, draw, current)
    back = _channel(_OLD, withdrawn=(_NEW,))
    for current in (_NEW, _OLD, None):
        yield _case(back, 50, current)
    empty = _channel(None, withdrawn=(_NEW,))
    for current in (_NEW, _OLD, None):
        yield _case(empty, 50, current)
    only_a_trial = _channel(None, candidate=_TRIED, percentage=50)
    for draw in (49, 50):
        yield _case(only_a_trial, draw, None)


def _channel(
    release: str | None, candidate: str | None = None, percentage: int = 0, withdrawn: tuple[str, ...] = ()
) -> ChannelFile:
    return ChannelFile(release=release, candidate=candidate, percentage=percentage, withdrawn=withdrawn)


def _case(channel: ChannelFile, draw: int, current: str | None, *, is_sound: bool = True) -> Mapping[str, Any]:
    name, after = _outcome(decide(channel, draw, current, is_sound=is_sound), current)
    return {
        "channel": channel.model_dump(mode="json"),
        "draw": draw,
        "current": current,
        "is_sound": is_sound,
        "step": name,
        "release_after": after,
    }


def _outcome(step: Adopt | Keep | Leave, current: str | None) -> tuple[str, str | None]:
    if isinstance(step, Adopt):
        return "adopt", step.version
    return ("leave", None) if isinstance(step, Leave) else ("keep", current)
