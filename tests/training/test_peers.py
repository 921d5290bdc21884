"""Whatever a peer does ends in an answer or in one family of errors."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from services.training import peers as peers_module
from services.training.peers import (
    BadAnswerError,
    Ingestion,
    NotFoundError,
    PeerError,
    PeerRefusedError,
    Peers,
    PeerUnavailableError,
    Registry,
)
from services.training.settings import Settings
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze


@contextmanager
def ingestion_that(settings: Settings, answer: Callable[[httpx.Request], httpx.Response]) -> Iterator[Ingestion]:
    peer = Ingestion("ingestion", "http://peer", settings.peer_key_file, httpx.MockTransport(answer))
    yield peer
    peer.close()


def test_a_snapshot_is_found_and_downloaded(peers: Peers, ingestion: FakeIngestion) -> None:
    frozen = ingestion.add(freeze())
    found = peers.ingestion.snapshot("latest")
    assert (found.id, found.digest) == (frozen.id, frozen.digest)
    assert peers.ingestion.download(found) == frozen.parquet


def test_what_does_not_exist_is_told_from_what_does_not_answer(peers: Peers, ingestion: FakeIngestion) -> None:
    with pytest.raises(NotFoundError):
        peers.ingestion.snapshot("latest")
    ingestion.failures = 1
    with pytest.raises(PeerUnavailableError):
        peers.ingestion.snapshot("latest")


def test_a_channel_without_a_release_has_none_in_service(peers: Peers) -> None:
    assert peers.registry.release_in_service("stable") is None
    assert peers.registry.release_in_service("unheard-of") is None


def test_a_rotated_key_is_used_without_a_restart(peers: Peers, settings: Settings, ingestion: FakeIngestion) -> None:
    settings.peer_key_file.write_text("old-key")
    with pytest.raises(PeerRefusedError):
        peers.ingestion.verified_labels()
    settings.peer_key_file.write_text("peer-key")
    assert peers.ingestion.verified_labels() == ingestion.verified


def test_a_missing_key_file_is_worth_waiting_for(peers: Peers, settings: Settings) -> None:
    settings.peer_key_file.unlink()
    with pytest.raises(PeerUnavailableError, match="QUIETLINE_TRAINING_PEER_KEY_FILE"):
        peers.ingestion.verified_labels()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, PeerRefusedError), (403, PeerRefusedError), (404, NotFoundError), (429, PeerUnavailableError),
     (500, PeerUnavailableError), (503, PeerUnavailableError), (301, PeerRefusedError)],
)  # fmt: skip
def test_a_status_says_whether_to_come_again(settings: Settings, status: int, kind: type[PeerError]) -> None:
    with ingestion_that(settings, lambda _: httpx.Response(status)) as peer, pytest.raises(PeerError) as caught:
        peer.verified_labels()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b'{"verified": "many"}', b'{"verified": -1}', b"[" * 100_000, b"\xff\xfe"]
)
def test_an_answer_that_is_not_as_agreed_is_refused(settings: Settings, body: bytes) -> None:
    with ingestion_that(settings, lambda _: httpx.Response(200, content=body)) as peer, pytest.raises(BadAnswerError):
        peer.verified_labels()


def test_an_endless_answer_is_cut_off(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "MAX_JSON_BYTES", 1000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b"x" * 100

    answer = httpx.Response(200, content=endless())
    with (
        ingestion_that(settings, lambda _: answer) as peer,
        pytest.raises(BadAnswerError, match="more than 1000 bytes"),
    ):
        peer.verified_labels()
    assert sent < 10_000


def test_a_broken_connection_is_worth_trying_again(settings: Settings) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    with ingestion_that(settings, fail) as peer, pytest.raises(PeerUnavailableError, match="ConnectError"):
        peer.verified_labels()


def test_a_refusal_repeats_the_title_but_never_the_detail(settings: Settings) -> None:
    problem = {"title": "The key lacks the scope", "detail": "the text of a message"}
    answer = httpx.Response(403, json=problem)
    with ingestion_that(settings, lambda _: answer) as peer, pytest.raises(PeerRefusedError) as caught:
        peer.verified_labels()
    assert "The key lacks the scope" in str(caught.value)
    assert "message" not in str(caught.value)


@pytest.mark.parametrize(
    "packed",
    [b"no gzip", gzip.compress(b"model")[:-6], gzip.compress(bytes(peers_module.MAX_MODEL_BYTES + 1)), b""],
    ids=["other", "cut off", "bomb", "empty"],
)
def test_a_model_that_does_not_unpack_is_refused(settings: Settings, packed: bytes) -> None:
    peer = Registry(
        "registry",
        "http://peer",
        settings.peer_key_file,
        httpx.MockTransport(lambda _: httpx.Response(200, content=packed)),
    )
    with pytest.raises(BadAnswerError):
        peer.model("20250101-000000-aaaaaaaa")
    peer.close()


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, None)])
def test_a_peer_that_asks_to_come_again_is_asked_when(
    settings: Settings, header: dict[str, str], seconds: float | None
) -> None:
    with (
        ingestion_that(settings, lambda _: httpx.Response(503, headers=header)) as peer,
        pytest.raises(PeerUnavailableError) as caught,
    ):
        peer.verified_labels()
    assert caught.value.asked_seconds == seconds


def test_an_answer_that_trickles_for_ever_is_left(settings: Settings) -> None:
    time = [0.0]

    def trickle() -> Iterator[bytes]:
        while True:
            time[0] += 20.0  # less than any silence that ends a call
            yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=trickle()))
    peer = Ingestion("ingestion", "http://peer", settings.peer_key_file, transport, clock=lambda: time[0])
    with pytest.raises(PeerUnavailableError, match="more than 1800 s"):
        peer.verified_labels()
    peer.close()
