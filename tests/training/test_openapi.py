"""Whatever fits the OpenAPI document, and what almost fits it, gets an answer that the document promises."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance
from sqlalchemy import Engine

from services.training import artifacts, runs, store
from services.training.artifacts import RunFolder
from shared.database import writing
from tests.training.conftest import MOMENT, Training
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze
from tests.training.workers import ask_for, show_life

EXAMPLES_AN_OPERATION = 40
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]


def try_out(operation: Any, run_id: str) -> None:
    fits = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    misfits = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(case=st.one_of(fits, misfits), names_the_run=st.booleans())
    @settings(max_examples=EXAMPLES_AN_OPERATION, suppress_health_check=list(HealthCheck), database=None)
    def answers(case: Any, names_the_run: bool) -> None:
        if names_the_run and "run_id" in (case.path_parameters or {}):
            case.path_parameters["run_id"] = run_id
        case.call_and_validate(checks=CHECKS, headers={"Authorization": "Bearer trainer"})

    answers()


def test_no_request_is_an_internal_error_or_gets_an_undeclared_answer(
    training: Training, engine: Engine, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    show_life(engine)
    run_id = ask_for(engine)
    with writing(engine) as session:
        store.change_run(session, run_id, lambda run: runs.succeed(run, "20250601-120030-aaaaaaaa", MOMENT))
    folder = RunFolder(training.settings.runs_url, run_id)
    for name in (artifacts.MODEL, artifacts.REPORT):
        folder.write(name, b"content")
    folder.write(artifacts.EVALUATION, b"{}")
    document = schemathesis.openapi.from_wsgi("/docs/openapi.json", training.app)
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) >= 8
    for operation in operations:
        try_out(operation, run_id)
