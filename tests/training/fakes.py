"""Ingestion and registry as training sees them: small WSGI apps that keep the HTTP contract."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from flask import Flask, Response, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.training.snapshots import FrozenSnapshot

HELD_SECONDS = 60.0


def problem(status: int, title: str) -> Response:
    return Response(json.dumps({"title": title, "status": status}), status, mimetype="application/problem+json")


@dataclass
class FakeIngestion:
    """Holds snapshots; answers 503 as often as `failures` says, and keeps back the data of those in `held_back`."""

    snapshots: dict[str, FrozenSnapshot] = field(default_factory=dict)
    verified: int = 0
    failures: int = 0
    asked: list[str] = field(default_factory=list)
    frozen_next: FrozenSnapshot | None = None
    held_back: dict[str, Event] = field(default_factory=dict)

    def add(self, snapshot: FrozenSnapshot) -> FrozenSnapshot:
        self.snapshots[snapshot.id] = snapshot
        return snapshot

    def app(self) -> Flask:
        app = Flask("fake_ingestion")

        @app.before_request
        def admit() -> Response | None:
            self.asked.append(f"{request.method} {request.path}")
            if request.headers.get("Authorization") != "Bearer peer-key":
                return problem(401, "A key is missing or unknown")
            if self.failures:
                self.failures -= 1
                return problem(503, "The service is not ready")
            return None

        @app.get("/v1/snapshots/<name>")
        def show(name: str) -> Any:
            found = self._find(name)
            return self._answer(found) if found else problem(404, "There is no such snapshot")

        @app.get("/v1/snapshots/<name>/data")
        def data(name: str) -> Any:
            if name in self.held_back:
                self.held_back[name].wait(HELD_SECONDS)
            found = self._find(name)
            return Response(found.parquet) if found else problem(404, "There is no such snapshot")

        @app.post("/v1/snapshots")
        def freeze() -> Any:
            if self.frozen_next is None:
                return problem(409, "There is nothing to learn from")
            self.add(self.frozen_next)
            return self._answer(self.frozen_next), 201

        @app.get("/v1/labels/count")
        def labels() -> Any:
            return {"verified": self.verified}

        return app

    def _find(self, name: str) -> FrozenSnapshot | None:
        if name == "latest":
            return list(self.snapshots.values())[-1] if self.snapshots else None
        return self.snapshots.get(name)

    def _answer(self, snapshot: FrozenSnapshot) -> dict[str, Any]:
        return {"id": snapshot.id, "digest": snapshot.digest, "reports": len(snapshot.rows)}


@dataclass
class FakeRegistry:
    """Takes candidates; refuses with `reasons` if there are any."""

    reasons: list[str] = field(default_factory=list)
    in_service: str | None = None
    releases: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    submissions: int = 0
    failures: int = 0

    def app(self) -> Flask:
        app = Flask("fake_registry")

        @app.before_request
        def admit() -> Response | None:
            if request.headers.get("Authorization") != "Bearer peer-key":
                return problem(401, "A key is missing or unknown")
            if self.failures:
                self.failures -= 1
                return problem(503, "The service is not ready")
            return None

        @app.get("/v1/channels/stable")
        def channel() -> Any:
            return {"name": "stable", "release": self.in_service, "candidate": None, "percentage": 0, "withdrawn": []}

        @app.get("/v1/releases/<version>/card")
        def card(version: str) -> Any:
            return Response(self.releases[version][0], mimetype="application/json")

        @app.get("/v1/releases/<version>/model")
        def model(version: str) -> Any:
            return Response(self.releases[version][1], mimetype="application/gzip")

        @app.post("/v1/candidates")
        def submit() -> Any:
            self.submissions += 1
            card, model = request.files["card"].read().decode(), request.files["model"].read()
            version = json.loads(card)["version"]
            if version in self.releases and self.releases[version] != (card, model):
                return problem(409, "The run submitted other bytes before")
            self.releases[version] = (card, model)
            self.evidence[version] = json.loads(request.files["evidence"].read())
            return {
                "version": version,
                "state": "refused" if self.reasons else "accepted",
                "reasons": self.reasons,
            }, 201

        return app

    def model(self, version: str) -> bytes:
        return gzip.decompress(self.releases[version][1])

    def card(self, version: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.releases[version][0])
        return content


def both(ingestion: FakeIngestion, registry: FakeRegistry) -> Callable[..., Any]:
    def nothing(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return []

    return DispatcherMiddleware(nothing, {"/ingestion": ingestion.app(), "/registry": registry.app()})
