"""A run ends once, and in one way."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training import runs
from services.training.runs import Ending, Progress, Run, RunHasEndedError, State, Step

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
FAILURE = Ending("unusable-snapshot", "The snapshot cannot be learned from", "It is empty.")
Move = Callable[[Run, datetime], Run]

MOVES: dict[str, Move] = {
    "start": lambda run, _: runs.start(run),
    "name": lambda run, _: runs.name_snapshot(run, "abc"),
    "advance": lambda run, _: runs.advance(run, Progress(Step.FIT, 1, 2)),
    "succeed": lambda run, at: runs.succeed(run, "20250101-000000-aaaaaaaa", at),
    "refuse": lambda run, at: runs.refuse(run, ["too few"], at),
    "fail": lambda run, at: runs.fail(run, FAILURE, at),
    "cancel": runs.cancel,
}


def new_run() -> Run:
    return Run("a" * 32, State.QUEUED, "latest", {"seed": 1}, "tester", BEGAN)


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
def test_no_sequence_of_moves_changes_a_run_that_has_ended(names: list[str]) -> None:
    run, ended = new_run(), None
    for number, name in enumerate(names):
        try:
            run = MOVES[name](run, BEGAN + timedelta(seconds=number))
        except RunHasEndedError:
            assert ended is not None
        if ended is None and run.state.is_end:
            ended = run
        assert run == (ended or run)
        assert (run.finished_at is not None) == run.state.is_end


@pytest.mark.parametrize("name", ["succeed", "refuse", "fail", "cancel"])
def test_the_same_end_again_changes_nothing(name: str) -> None:
    once = MOVES[name](runs.start(new_run()), BEGAN)
    assert MOVES[name](once, BEGAN + timedelta(days=1)) == once


def test_a_run_that_a_worker_takes_again_goes_on() -> None:
    running = runs.start(new_run())
    assert runs.start(running) == running


def test_a_refusal_is_told_in_the_words_of_the_gate() -> None:
    refused = runs.refuse(new_run(), ["hides codes", "too large"], BEGAN)
    problem = refused.document()["problem"]
    assert problem["type"] == "urn:quietline:problem:gate-refused"
    assert problem["detail"] == "hides codes; too large"
    assert problem["reasons"] == ["hides codes", "too large"]


def test_a_document_has_every_member_that_was_agreed() -> None:
    assert set(new_run().document()) == {
        "id", "state", "step", "progress", "snapshot", "recipe", "requested_by", "created_at", "finished_at", "release",
        "problem",
    }  # fmt: skip
