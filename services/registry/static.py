"""Serves the published directory as any static server would: embedded mode's stand-in for nginx or a CDN."""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from werkzeug.security import safe_join
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response

from shared.problems import PROBLEM_MEDIA_TYPE, Problem

ROOMS: Final = ("metadata", "targets")
YEAR_SECONDS: Final = 365 * 24 * 3600

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def create_static_app(publish_dir: Path) -> Wsgi:
    """Gives a WSGI app that serves `metadata/` and `targets/` of a TUF repository, and nothing else.

    Targets carry their digest in their name and metadata its version, so they never change and may be kept for ever;
    only the timestamp must be asked for every time. A compressed model is sent as the bytes that it is: a guessed
    `Content-Encoding: gzip` would make clients unpack it, and the signed length would no longer fit.
    """

    @Request.application
    def serve(request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return _problem(Problem("method-not-allowed", "Only GET and HEAD", 405, headers={"Allow": "GET, HEAD"}))
        path = _find(publish_dir, request.path)
        if path is None:
            return _problem(Problem("not-found", "There is no such file", 404))
        try:
            response = send_file(
                path,
                request.environ,
                mimetype="application/json" if path.suffix == ".json" else "application/octet-stream",
                conditional=True,
            )
        except FileNotFoundError:  # swept in this moment
            return _problem(Problem("not-found", "There is no such file", 404))
        response.headers.pop("Content-Disposition", None)
        is_fixed = path.name != "timestamp.json" or path.is_relative_to(publish_dir / "targets")
        response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable" if is_fixed else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return serve


def _find(publish_dir: Path, asked: str) -> Path | None:
    parts = asked.strip("/").split("/")
    if parts[0] not in ROOMS or any(part.startswith(".") or "\\0" in part for part in parts):
        return None
    joined = safe_join(str(publish_dir.absolute()), *parts)
    if joined is None:
        return None
    try:
        return Path(joined) if Path(joined).is_file() else None
    except OSError:  # a name that no file can have
        return None


def _problem(problem: Problem) -> Response:
    status = HTTPStatus(problem.status)
    body = json.dumps(problem.document(), ensure_ascii=False)
    return Response(body, status, problem.headers, mimetype=PROBLEM_MEDIA_TYPE)
