"""Readiness notices whatever keeps training from its work; each test breaks the thing itself."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from sqlalchemy import Engine

from services.training.app import create_app, look_at_peer, utc_now
from services.training.peers import Ingestion, Peers
from services.training.settings import Settings
from shared.auth import KeyFile
from shared.web import State
from tests.training.conftest import MOMENT, Training
from tests.training.killable_worker import worker_process
from tests.training.workers import show_life, until


def complaint(training: Training) -> str:
    """Gives what /readyz complains of; nothing if it is content."""
    answer = training.app.test_client().get("/readyz")
    if answer.status_code == 200:
        return ""
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0
    words: str = answer.json["detail"]
    return words


def test_it_is_ready_while_a_worker_shows_that_it_lives(training: Training, engine: Engine) -> None:
    assert complaint(training) == "worker: no worker has started; runs wait"
    show_life(engine, MOMENT - timedelta(seconds=0.5))
    assert complaint(training) == ""


def test_a_worker_that_fell_silent_is_told_with_how_long(training: Training, engine: Engine) -> None:
    show_life(engine, MOMENT - timedelta(seconds=90))
    assert complaint(training) == "worker: no worker has shown that it lives for 90 s; runs wait"


@pytest.mark.parametrize("broken", [lambda path: path.unlink(), lambda path: path.write_text(" \n")])
def test_without_the_key_for_its_peers_it_is_not_ready(
    training: Training, engine: Engine, settings: Settings, broken: Callable[..., object]
) -> None:
    show_life(engine)
    broken(settings.peer_key_file)
    assert "QUIETLINE_TRAINING_PEER_KEY_FILE" in complaint(training)
    settings.peer_key_file.write_text("peer-key")
    assert complaint(training) == ""


def test_a_service_that_can_let_nobody_in_is_not_ready(settings: Settings, engine: Engine, peers: Peers) -> None:
    show_life(engine)
    KeyFile(keys=()).write(settings.keys_file)
    app = create_app(settings, peers, now=lambda: MOMENT)
    service = Training(app, settings, engine)
    assert "keys: the key file holds no key" in complaint(service)
    app.extensions["queue"].destroy()
    app.extensions["engine"].dispose()


@pytest.mark.system
@pytest.mark.enable_socket
def test_a_worker_that_is_killed_is_missed_and_one_that_comes_back_is_noticed(
    settings: Settings, engine: Engine, peers: Peers
) -> None:
    app = create_app(settings, peers, now=utc_now)
    service = Training(app, settings, engine)
    with worker_process(settings) as worker:
        until(lambda: complaint(service) == "", "the worker is noticed")
        worker.kill()
        until(lambda: "no worker has shown that it lives" in complaint(service), "its death is noticed")
    with worker_process(settings):
        until(lambda: complaint(service) == "", "the next one is noticed")
    app.extensions["queue"].destroy()
    app.extensions["engine"].dispose()


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (httpx.Response(200, json={}), State.OK, "answers in"),
        (httpx.Response(200, json={}, headers={"Date": format_datetime(MOMENT)}), State.OK, "answers in"),
        (
            httpx.Response(200, json={}, headers={"Date": format_datetime(MOMENT + timedelta(seconds=90))}),
            State.FAILED,
            "ahead",
        ),
        (httpx.Response(200, json={}, headers={"Date": "yesterday"}), State.FAILED, "a Date that is none"),
        (httpx.Response(403, json={"title": "The key lacks the scope"}), State.FAILED, "The key lacks the scope"),
        (httpx.Response(503), State.FAILED, "ingestion answered 503"),
    ],
)
def test_a_peer_is_looked_at_as_a_run_meets_it(
    settings: Settings, answer: httpx.Response, state: State, words: str
) -> None:
    peer = Ingestion("ingestion", "http://peer", settings.peer_key_file, httpx.MockTransport(lambda _: answer))
    found, told = look_at_peer(peer, lambda: MOMENT)
    peer.close()
    assert found is state
    assert words in told
