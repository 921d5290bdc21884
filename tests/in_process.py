"""A running suite as the command line sees it, but in this process: some rooms, and no socket."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from services.client import SuiteClient


class InProcessSuite:
    """Stands for `services.target.Target`.

    Args:
        key: what the commands authenticate with.
        rooms: the services, by the names under which they are reached.
    """

    def __init__(self, key: str, **rooms: Flask) -> None:
        self._key = key
        self._app = DispatcherMiddleware(lambda *_: [], {f"/{room}": app for room, app in rooms.items()})

    @contextmanager
    def connect(self) -> Iterator[SuiteClient]:
        client = SuiteClient("http://suite", self._key)
        client._http = httpx.Client(
            transport=httpx.WSGITransport(app=self._app), base_url=client.address, headers=client._http.headers
        )
        yield client
        client.close()
