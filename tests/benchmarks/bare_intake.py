"""What report intake is held against: a bare Flask handler that inserts one row, under the same gunicorn.

    python -m tests.benchmarks.bare_intake DATABASE_URL PORT

No check, no mask, no key, no idempotency, and the driver used directly: a connection for each thread.
"""

import sqlite3
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
from flask import Flask, request
from gunicorn.app.base import BaseApplication
from sqlalchemy import make_url

from services.serving import THREADS

TABLE = "CREATE TABLE IF NOT EXISTS reports (id TEXT PRIMARY KEY, sender TEXT, body TEXT, received_at TEXT)"


def _sqlite(file: str) -> Callable[[tuple[str, ...]], None]:
    mine = threading.local()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, timeout=5, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    connect().execute(TABLE)

    def insert(row: tuple[str, ...]) -> None:
        if not hasattr(mine, "connection"):
            mine.connection = connect()
        mine.connection.execute("INSERT INTO reports VALUES (?, ?, ?, ?)", row)

    return insert


def _postgresql(address: str) -> Callable[[tuple[str, ...]], None]:
    mine = threading.local()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(TABLE)

    def insert(row: tuple[str, ...]) -> None:
        if not hasattr(mine, "connection"):
            mine.connection = psycopg.connect(address, autocommit=True)
        mine.connection.execute("INSERT INTO reports VALUES (%s, %s, %s, %s)", row)

    return insert


def create_app(database_url: str) -> Flask:
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        insert = _sqlite(url.database or "")
    else:
        insert = _postgresql(url.set(drivername="postgresql").render_as_string(hide_password=False))
    app = Flask(__name__)

    @app.post("/ingestion/v1/reports")
    def report() -> tuple[dict[str, str], int]:
        content = request.get_json()
        row = (uuid.uuid4().hex, content["sender"], content["body"], content["received_at"])
        insert(row)
        return {"receipt": row[0]}, 201

    return app


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with as many threads as our services."""

    def __init__(self, database_url: str, port: str) -> None:
        self._database_url, self._port = database_url, port
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"127.0.0.1:{self._port}",
            "worker_class": "gthread",
            "threads": THREADS,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._database_url)


if __name__ == "__main__":
    Server(*sys.argv[1:]).run()
