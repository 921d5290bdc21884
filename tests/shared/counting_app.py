"""A service of several processes for test_metrics.py: `gunicorn tests.shared.counting_app:make()`."""

import os
from typing import Any

from flask_openapi3 import OpenAPI

from shared.auth import KeyRing
from shared.web import Metrics, new_api, new_blueprint, public, seal


def make() -> OpenAPI:
    metrics = Metrics()
    counter = metrics.counter("notes_total", "Notes taken", ["kind"], known=[("short",)])
    metrics.state("answer", "Whatever is true now", lambda: 42.0)
    api = new_api(
        __name__, "Notes", "For tests", service="notes", version="1", keys=KeyRing(()), errors={}, metrics=metrics,
        checks={}, looks={},
    )  # fmt: skip
    notes = new_blueprint("notes", __name__)

    @notes.post("/notes")
    @public
    def take() -> dict[str, Any]:
        counter.labels("short").inc()
        return {"process": os.getpid()}

    api.register_api(notes)
    seal(api)
    return api
