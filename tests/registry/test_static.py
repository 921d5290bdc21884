"""The published directory is served as plain bytes, and nothing beside it."""

import gzip
from pathlib import Path

import pytest
from werkzeug.test import Client, TestResponse

from services.registry.app import create_static_app


class Site:
    """Asks, reads the whole answer and closes it, as a server does."""

    def __init__(self, folder: Path) -> None:
        self._client = Client(create_static_app(folder))

    def open(self, path: str, method: str = "GET", **headers: str) -> TestResponse:
        return self._client.open(path, method=method, headers=headers, buffered=True)


@pytest.fixture
def site(tmp_path) -> Site:
    published = tmp_path / "published"
    (published / "metadata").mkdir(parents=True)
    (published / "targets" / "releases" / "r").mkdir(parents=True)
    (published / "metadata" / "timestamp.json").write_bytes(b"{}")
    (published / "metadata" / "1.root.json").write_bytes(b"{}")
    (published / "metadata" / ".draft-1").write_bytes(b"draft")
    (published / ".lock").write_bytes(b"")
    (published / "targets" / "releases" / "r" / "abc.model.onnx.gz").write_bytes(gzip.compress(b"0123456789"))
    (tmp_path / "secret").write_bytes(b"secret")
    return Site(published)


MODEL = "/targets/releases/r/abc.model.onnx.gz"


def test_a_compressed_model_comes_as_the_bytes_that_were_signed(site):
    answer = site.open(MODEL, **{"Accept-Encoding": "gzip"})
    assert answer.content_type == "application/octet-stream"
    assert "Content-Encoding" not in answer.headers
    assert answer.data == gzip.compress(b"0123456789")
    assert answer.headers["Content-Length"] == str(len(answer.data))


def test_what_never_changes_may_be_kept_for_ever_and_the_timestamp_not_at_all(site):
    assert "immutable" in site.open(MODEL).headers["Cache-Control"]
    assert "immutable" in site.open("/metadata/1.root.json").headers["Cache-Control"]
    assert site.open("/metadata/timestamp.json").headers["Cache-Control"] == "no-cache"
    assert site.open("/metadata/timestamp.json").content_type == "application/json"


def test_what_did_not_change_is_not_sent_again(site):
    tag = site.open("/metadata/timestamp.json").headers["ETag"]
    answer = site.open("/metadata/timestamp.json", **{"If-None-Match": tag})
    assert (answer.status_code, answer.data) == (304, b"")


def test_a_download_can_go_on_where_it_broke_off(site):
    whole = site.open(MODEL).data
    answer = site.open(MODEL, Range="bytes=5-")
    assert (answer.status_code, answer.data) == (206, whole[5:])
    assert site.open(MODEL, Range="bytes=9999-").status_code == 416


def test_head_tells_the_length_without_the_bytes(site):
    answer = site.open(MODEL, "HEAD")
    assert (answer.status_code, answer.data) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metadata",
        "/metadata/",
        "/metadata/2.root.json",
        "/metadata/.draft-1",
        "/.lock",
        "/metadata/../.lock",
        "/metadata/../../secret",
        "/targets/%2e%2e/%2e%2e/secret",
        "/targets//etc/passwd",
        "/metadata/%00",
        "/metadata/" + "a" * 5000,
        "/registry.sqlite",
    ],
)
def test_nothing_else_is_served(site, path):
    answer = site.open(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert b"secret" not in answer.data


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_is_read_only(site, method):
    answer = site.open("/metadata/timestamp.json", method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
