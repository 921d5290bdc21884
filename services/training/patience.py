"""How long to wait for a peer or a database: retry as a value. Only what is harmless to repeat may be tried again."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

LONGEST_ASKED_SECONDS: Final = 60.0
"""Whoever asks to come again later than this is asked sooner all the same."""


@dataclass(frozen=True)
class Patience:
    """Pauses between tries, until the time is used up.

    A pause is drawn between nothing and a limit that doubles from try to try ("full jitter": Brooker, "Exponential
    Backoff And Jitter", 2015), so that those that failed together do not come back together.

    Args:
        seconds: how long to keep trying, in all.
        first_seconds: the limit of the first pause.
        longest_seconds: no limit is longer.
    """

    seconds: float = 120.0
    first_seconds: float = 0.5
    longest_seconds: float = 15.0

    def pause(
        self, tries: int, waited_seconds: float, random: Random, asked_seconds: float | None = None
    ) -> float | None:
        """Gives how long to wait before the next try, in seconds, or None if there shall be none.

        Args:
            tries: how many have failed.
            waited_seconds: since the first of them began.
            random: where the jitter comes from.
            asked_seconds: what the one who failed asked to wait at least (`Retry-After`).
        """
        if waited_seconds >= self.seconds:
            return None
        limit = min(self.first_seconds * 2.0 ** min(tries - 1, 30), self.longest_seconds)
        return min(asked_seconds or 0.0, LONGEST_ASKED_SECONDS) + random.uniform(0.0, limit)


class Tries:
    """Counts the tries of one thing, from the first one on.

    Args:
        patience: how long to go on.
        random: where the jitter comes from; no result depends on it.
        clock: seconds that only grow.
    """

    def __init__(self, patience: Patience, random: Random, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._random, self._clock = patience, random, clock
        self._failed = 0
        self._began_at_seconds = clock()

    def pause(self, asked_seconds: float | None = None) -> float | None:
        """Gives how long to wait after a try that failed, in seconds, or None if there shall be no other."""
        self._failed += 1
        waited_seconds = self._clock() - self._began_at_seconds
        return self._patience.pause(self._failed, waited_seconds, self._random, asked_seconds)


def asked_seconds(headers: Mapping[str, str]) -> float | None:
    """Gives how long an answer asks to wait (`Retry-After`, RFC 9110), or None where it does not, or not readably.

    A date is compared with the answer's own `Date`: whose clock is wrong does not matter then.
    """
    asked = headers.get("Retry-After", "")
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds)
