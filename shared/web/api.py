"""Makes a service's app and its blueprints, and checks that no endpoint is left open by mistake."""

from collections.abc import Mapping

from flask import Flask, redirect
from flask_openapi3 import APIBlueprint, Info, OpenAPI

from shared.auth import KeyRing
from shared.problems import ProblemDocument
from shared.web.admission import admit_only_holders
from shared.web.diagnosis import Look, answer_diagnosis
from shared.web.failures import ErrorTable, declared_errors, handle_errors, refuse_invalid
from shared.web.health import Check, answer_health
from shared.web.metrics import Metrics
from shared.web.observation import observe


def new_api(
    import_name: str,
    title: str,
    description: str,
    *,
    service: str,
    version: str,
    keys: KeyRing,
    errors: ErrorTable,
    metrics: Metrics,
    checks: Mapping[str, Check],
    looks: Mapping[str, Look],
) -> OpenAPI:
    """Makes a service's app without its own endpoints.

    Args:
        import_name: the caller's `__name__`.
        title: the service's name in the OpenAPI document.
        description: what the service is for.
        service: the service's name in logs.
        version: version of the distribution.
        keys: who may call.
        errors: the service's domain errors and what the client is told.
        metrics: what /metrics shows.
        checks: what /readyz asks besides whether the keys are there.
        looks: what /v1/diagnosis asks besides that.
    """
    api = OpenAPI(
        import_name,
        info=Info(title=title, version=version, description=description),
        security_schemes={"bearer": {"type": "http", "scheme": "bearer"}},
        responses=declared_errors(),
        validation_error_status=422,
        validation_error_model=ProblemDocument,
        validation_error_callback=refuse_invalid,
        operation_id_callback=_operation_id,
        doc_prefix="/docs",
        static_folder=None,
    )
    api.json.sort_keys = False  # type: ignore[attr-defined]
    api.json.ensure_ascii = False  # type: ignore[attr-defined]
    api.view_functions["openapi.openapi"] = lambda: redirect("swagger")  # there is no other page to choose from
    handle_errors(api, errors)
    observe(api, service, metrics)
    admit_only_holders(api, keys)
    checks = {"keys": keys.complaint, **checks}
    answer_health(api, checks)
    answer_diagnosis(api, service, version, checks, looks)
    api.extensions["metrics"] = metrics
    return api


def seal(api: Flask) -> None:
    """Checks that every endpoint says who may call it.

    Raises:
        RuntimeError: if one does not; a mistake of the programmer, found at start.
    """
    for endpoint, view in api.view_functions.items():
        is_documentation = endpoint.startswith(("openapi.", "swagger."))
        if not is_documentation and not hasattr(view, "quietline_scopes"):
            raise RuntimeError(f"{endpoint} neither requires a scope nor is public")


def new_blueprint(name: str, import_name: str) -> APIBlueprint:
    """Makes a group of endpoints below /v1 whose errors are declared in the OpenAPI document."""
    return APIBlueprint(
        name, import_name, url_prefix="/v1", abp_responses=declared_errors(), operation_id_callback=_operation_id
    )


def _operation_id(*, name: str, path: str, method: str) -> str:  # noqa: ARG001 - flask-openapi3 passes all three
    return name
