"""How long training waits for a peer: retry as a value."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Patience:
    """Pauses between tries: each twice as long as the one before, with jitter, until the time is used up.

    Args:
        seconds: how long to keep trying, in all.
        first_seconds: the first pause.
        longest_seconds: the longest pause.
    """

    seconds: float = 120.0
    first_seconds: float = 0.5
    longest_seconds: float = 15.0

    def pauses(self, random: Random) -> Iterator[float]:
        """Gives the pauses in seconds; jitter keeps workers that failed together from coming back together."""
        waited, pause = 0.0, self.first_seconds
        while waited < self.seconds:
            jittered = pause * random.uniform(0.75, 1.25)
            yield jittered
            waited += jittered
            pause = min(2.0 * pause, self.longest_seconds)
