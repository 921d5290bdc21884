"""Whatever fits the OpenAPI document, and what almost fits it, gets an answer that the document promises."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.registry.candidates import FIRST, SECOND

EXAMPLES_AN_OPERATION = 20
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]


def try_out(operation, key: str) -> None:
    fits = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    misfits = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(case=st.one_of(fits, misfits))
    @settings(max_examples=EXAMPLES_AN_OPERATION, suppress_health_check=list(HealthCheck), database=None)
    def answers(case):
        case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {key}"})

    answers()


def test_no_request_is_an_internal_error_or_gets_an_undeclared_answer(registry):
    registry.submit(FIRST)
    registry.promote(FIRST)
    registry.submit(SECOND)
    document = schemathesis.openapi.from_wsgi("/docs/openapi.json", registry.app)
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) >= 11
    for operation in operations:
        try_out(operation, "training" if operation.path == "/v1/candidates" else "publisher")
