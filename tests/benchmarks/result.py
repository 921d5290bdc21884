"""What a benchmark says: a figure, its peer in the same run, and the budget."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One line of the table. `peer` is what the figure is held against; None if the budget is absolute."""

    name: str
    figure: str
    peer: str | None
    ratio: str
    budget: str
    within: bool


def interleaved_medians_seconds(calls: list[Callable[[], object]], rounds: int, repeats: int) -> list[float]:
    """Gives the median time of one call of each, measured in turns so that a noisy machine is noisy to all alike."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, measured in zip(calls, times, strict=True):
            began = time.perf_counter()
            for _ in range(repeats):
                call()
            measured.append((time.perf_counter() - began) / repeats)
    return [statistics.median(measured) for measured in times]
