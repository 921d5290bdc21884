"""Whoever waits comes back in time, never in step with others, and never sooner than asked."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.patience import LONGEST_ASKED_SECONDS, Patience, Tries, asked_seconds

PATIENCE = Patience(seconds=30.0, first_seconds=1.0, longest_seconds=8.0)


@given(st.integers(1, 10_000), st.floats(0, 29.9), st.integers(), st.none() | st.floats(0, 1e9))
def test_a_pause_is_as_long_as_asked_and_drawn_up_to_a_limit_that_doubles(
    tries: int, waited_seconds: float, seed: int, asked: float | None
) -> None:
    pause = PATIENCE.pause(tries, waited_seconds, Random(seed), asked)
    least = min(asked or 0.0, LONGEST_ASKED_SECONDS)
    assert pause is not None
    assert least <= pause <= least + min(2.0 ** min(tries - 1, 3), 8.0)


def test_those_that_failed_together_come_back_spread_over_the_whole_pause() -> None:
    pauses = sorted(PATIENCE.pause(4, 0.0, Random(seed)) or 0.0 for seed in range(200))
    assert pauses[0] < 0.5
    assert pauses[-1] > 7.5
    assert 3.0 < sum(pauses) / len(pauses) < 5.0


def test_patience_ends_by_the_clock_however_long_each_try_took() -> None:
    time = [0.0]
    tries = Tries(PATIENCE, Random(1), lambda: time[0])
    pauses = []
    while (pause := tries.pause()) is not None:
        pauses.append(pause)
        time[0] += 12.0
    assert len(pauses) == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "5"}, 5.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "9" * 40}, 999999999.0),
        ({"Retry-After": "Sun, 01 Jun 2025 12:00:30 GMT", "Date": "Sun, 01 Jun 2025 12:00:00 GMT"}, 30.0),
        ({"Retry-After": "Sun, 01 Jun 2025 12:00:00 GMT", "Date": "Sun, 01 Jun 2025 12:00:30 GMT"}, 0.0),
        ({"Retry-After": "Sun, 01 Jun 2025 12:00:30 GMT"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_what_an_answer_asks_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_seconds(headers) == seconds
