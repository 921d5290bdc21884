"""A run survives SIGKILL at any instant and ends with the model that it would have made anyway.

`QUIETLINE_KILLS_PER_STEP` says how often each step is killed at a random instant, and as often between its effect and
its checkpoint; `QUIETLINE_KILL_SEED` says which instants.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from dbos import DBOSClient
from sqlalchemy import Engine

from services.training import store
from services.training.recipe import Recipe, WantedRates
from services.training.runs import State, Step
from services.training.settings import Settings
from services.training.workflow import APPLICATION
from shared.database import reading
from tests.training.fakes import FakeRegistry
from tests.training.killable_worker import log_of, worker_process
from tests.training.workers import DEADLINE_SECONDS, ENDLESS, ask_for, run_of, until

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

KILLS_PER_STEP = int(os.environ.get("QUIETLINE_KILLS_PER_STEP", "1"))
SEED = int(os.environ.get("QUIETLINE_KILL_SEED", "1"))
RECIPE = Recipe(
    iterations=12, fold_iterations=8, folds=2, evaluated_copies=40,
    wanted=WantedRates(gentle=0.02, normal=0.05, strict=0.1),
)  # fmt: skip


def events_after(engine: Engine, run_id: str, number: int) -> list[store.Event]:
    with reading(engine) as session:
        return store.events_after(session, run_id, number)


def last_event(engine: Engine, run_id: str) -> int:
    with reading(engine) as session:
        return store.last_event_number(session, run_id)


def has_reached(engine: Engine, run_id: str, step: Step, after: int) -> bool:
    """Tells whether the run has begun the step, or a later one, since the event with this number."""
    order = [*Step]
    told = [json.loads(event.content) for event in events_after(engine, run_id, after) if event.kind == "progress"]
    return run_of(engine, run_id).state.is_end or any(
        order.index(content["step"]) >= order.index(step) for content in told
    )


def finish(settings: Settings, engine: Engine, run_id: str) -> None:
    client = DBOSClient(system_database_url=settings.dbos_database_url, application_name=APPLICATION)
    with worker_process(settings) as process:

        def is_done() -> bool:
            assert process.is_alive(), log_of(settings).read_text()[-3000:]
            if not run_of(engine, run_id).state.is_end:
                return False
            return client.retrieve_workflow(run_id).get_status().status == "SUCCESS"

        until(is_done, "the run and its workflow end")
    client.destroy()


def durations(engine: Engine, settings: Settings, run_id: str) -> dict[str, float]:
    """Gives how long DBOS saw each step take, in seconds."""
    client = DBOSClient(system_database_url=settings.dbos_database_url, application_name=APPLICATION)
    steps = client.list_workflow_steps(run_id)
    client.destroy()
    assert run_of(engine, run_id).state is State.SUCCEEDED
    return {
        step["function_name"]: (step["completed_at_epoch_ms"] - step["started_at_epoch_ms"]) / 1000.0 for step in steps
    }


def kill_at_random(settings: Settings, engine: Engine, run_id: str, step: Step, delay_seconds: float) -> None:
    before = last_event(engine, run_id)
    with worker_process(settings) as process:
        until(lambda: has_reached(engine, run_id, step, before), f"{step} has begun")
        time.sleep(delay_seconds)  # the instant that the seed chose
        process.kill()
        process.join()


def kill_behind_the_effect(settings: Settings, step: str) -> None:
    with worker_process(settings, step) as process:
        process.join(DEADLINE_SECONDS)
        assert process.exitcode == -signal.SIGKILL, log_of(settings).read_text()[-3000:]


def test_a_killed_run_ends_with_the_same_model(served: Settings, engine: Engine, registry: FakeRegistry) -> None:
    undisturbed = ask_for(engine, recipe=RECIPE)
    finish(served, engine, undisturbed)
    typical_seconds = durations(engine, served, undisturbed)
    expected = registry.model(str(run_of(engine, undisturbed).release))

    random = Random(SEED)
    for _ in range(KILLS_PER_STEP):
        run_id = ask_for(engine, recipe=RECIPE)
        for step in Step:
            kill_at_random(served, engine, run_id, step, random.uniform(0.0, typical_seconds[step]))
        finish(served, engine, run_id)
        check(served, engine, registry, run_id, expected)


def test_a_run_that_is_killed_behind_every_effect_ends_with_the_same_model(
    served: Settings, engine: Engine, registry: FakeRegistry
) -> None:
    undisturbed = ask_for(engine, recipe=RECIPE)
    finish(served, engine, undisturbed)
    expected = registry.model(str(run_of(engine, undisturbed).release))
    for _ in range(KILLS_PER_STEP):
        run_id = ask_for(engine, recipe=RECIPE)
        for name in ("begin", *Step, "finish"):
            kill_behind_the_effect(served, name)
        finish(served, engine, run_id)
        check(served, engine, registry, run_id, expected)


def test_a_worker_process_that_is_told_to_end_ends_in_time_and_its_run_goes_on(
    served: Settings, engine: Engine
) -> None:
    run_id = ask_for(engine, recipe=ENDLESS)
    settings = served.model_dump(exclude_none=True, exclude={"mode"})
    environment = os.environ | {f"QUIETLINE_TRAINING_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "services.training.worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: has_reached(engine, run_id, Step.FIT, 0), "the fit has begun")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=5)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert (events[0], events[-1]) == ("worker_started", "worker_stopped")
    assert {*events[1:-1]} == {"step_began", "step_ended", "peer_called"}
    assert run_of(engine, run_id).state is State.RUNNING
    before = last_event(engine, run_id)
    with worker_process(served):
        until(lambda: has_reached(engine, run_id, Step.FIT, before), "the run goes on")


def check(settings: Settings, engine: Engine, registry: FakeRegistry, run_id: str, expected: bytes) -> None:
    run = run_of(engine, run_id)
    assert run.state is State.SUCCEEDED
    assert registry.model(str(run.release)) == expected
    assert registry.card(str(run.release))["run_id"] == run_id
    kinds = [event.kind for event in events_after(engine, run_id, 0)]
    assert kinds.count("end") == 1
    assert kinds[-1] == "end"
    names = {path.name for path in (Path(settings.runs_url) / run_id).iterdir()}
    assert names == {"model.onnx", "card.json", "evidence.json", "evaluation.json", "report.html", "thresholds.json"}
