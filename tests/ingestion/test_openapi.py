"""Whatever fits the OpenAPI document, and what almost fits it, gets an answer that the document promises."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

EXAMPLES_AN_OPERATION = 30
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]


def try_out(operation, key: str) -> None:
    fits = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    misfits = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(case=st.one_of(fits, misfits))
    @settings(max_examples=EXAMPLES_AN_OPERATION, suppress_health_check=list(HealthCheck), database=None)
    def answers(case):
        case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {key}"})

    answers()


def test_no_request_is_an_internal_error_or_gets_an_undeclared_answer(ingestion):
    ingestion.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}])
    ingestion.freeze()
    document = schemathesis.openapi.from_wsgi("/docs/openapi.json", ingestion.app)
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:
        try_out(operation, "admin")


def test_every_operation_names_its_key_and_its_errors(ingestion):
    document = ingestion.app.test_client().get("/docs/openapi.json").json
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                assert operation["security"] == [{"bearer": []}], path
                assert operation["summary"], path
                assert {"401", "403", "422"} <= set(operation["responses"]), path
    imported = document["paths"]["/v1/reports:import"]["post"]
    assert set(imported["requestBody"]["content"]) == {"application/x-ndjson", "text/csv"}
    header_names = {one["name"] for one in document["paths"]["/v1/reports"]["post"]["parameters"]}
    assert header_names == {"Idempotency-Key"}
