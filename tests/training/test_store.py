"""What is written about runs is found again, in order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from services.training import runs, store
from services.training.runs import Ending, Progress, Run, RunHasEndedError, State, Step, UnknownRunError
from shared.database import reading, writing
from tests.training.conftest import MOMENT

RUN = Run("a" * 32, State.QUEUED, "latest", {"seed": 1, "wanted": {"gentle": 0.1}}, "trainer", MOMENT)


def add(engine: Engine, run: Run = RUN) -> Run:
    with writing(engine) as session:
        store.add_run(session, run)
    return run


def kinds(engine: Engine, after: int = 0) -> list[tuple[int, str]]:
    with reading(engine) as session:
        return [(event.number, event.kind) for event in store.events_after(session, RUN.id, after)]


def test_a_run_is_read_back_as_it_was_written(engine: Engine) -> None:
    ended = replace(
        RUN,
        state=State.FAILED,
        progress=Progress(Step.READ, 1, 3, "filling slots"),
        finished_at=MOMENT,
        ending=Ending("word", "title", "detail", ("reason",)),
    )
    add(engine, ended)
    with reading(engine) as session:
        assert store.find_run(session, RUN.id) == ended


def test_events_are_numbered_without_gaps_and_end_with_the_end(engine: Engine) -> None:
    add(engine)
    with writing(engine) as session:
        store.change_run(session, RUN.id, runs.start)
        store.change_run(session, RUN.id, lambda run: runs.advance(run, Progress(Step.FIT, 1, 2)))
        store.add_log(session, RUN.id, "hello")
        store.change_run(session, RUN.id, lambda run: runs.cancel(run, MOMENT))
        store.add_log(session, RUN.id, "too late")
    assert kinds(engine) == [(1, "state"), (2, "state"), (3, "progress"), (4, "log"), (5, "state"), (6, "end")]
    assert kinds(engine, after=4) == [(5, "state"), (6, "end")]


def test_a_move_that_changes_nothing_tells_nothing(engine: Engine) -> None:
    add(engine)
    for _ in range(2):
        with writing(engine) as session:
            store.change_run(session, RUN.id, runs.start)
    assert kinds(engine) == [(1, "state"), (2, "state")]


def test_a_move_against_the_rules_leaves_everything_as_it_was(engine: Engine) -> None:
    add(engine)
    with writing(engine) as session:
        store.change_run(session, RUN.id, lambda run: runs.cancel(run, MOMENT))
    with pytest.raises(RunHasEndedError), writing(engine) as session:
        store.change_run(session, RUN.id, runs.start)
    assert kinds(engine)[-1] == (3, "end")


def test_an_unknown_run_is_no_run(engine: Engine) -> None:
    with reading(engine) as session, pytest.raises(UnknownRunError):
        store.find_run(session, "b" * 32)
    with writing(engine) as session, pytest.raises(UnknownRunError):
        store.change_run(session, "b" * 32, runs.start)


def test_pages_hold_every_run_once_even_if_many_began_at_the_same_moment(engine: Engine) -> None:
    moments = [MOMENT, MOMENT, MOMENT, MOMENT + timedelta(microseconds=1), MOMENT + timedelta(days=1)]
    made = [add(engine, replace(RUN, id=f"{number:032x}", created_at=at)) for number, at in enumerate(moments)]
    found: list[Run] = []
    before = None
    while True:
        with reading(engine) as session:
            page = store.list_runs(session, 2, before)
        if not page:
            break
        found += page
        before = (page[-1].created_at, page[-1].id)
    assert found == sorted(made, key=lambda run: (run.created_at, run.id), reverse=True)


def test_only_runs_that_have_not_ended_wait_for_a_worker(engine: Engine) -> None:
    add(engine)
    add(engine, replace(RUN, id="b" * 32, state=State.RUNNING))
    add(engine, replace(RUN, id="c" * 32, state=State.SUCCEEDED))
    with reading(engine) as session:
        assert [run.id for run in store.unended_runs(session)] == [RUN.id, "b" * 32]


def test_every_heartbeat_counts(engine: Engine) -> None:
    for _ in range(3):
        with writing(engine) as session:
            store.beat(session, "worker", MOMENT)
    with reading(engine) as session:
        assert store.beats(session) == {"worker": 3}
    with writing(engine) as session:
        store.give_up_lease(session, "worker")
    with reading(engine) as session:
        assert store.beats(session) == {}
