"""Every way in which HTTP can fail is one of the phone's errors, and nothing unpacks what was signed packed."""

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest
from tuf.api.exceptions import DownloadHTTPError

from mobile_model.updater import HttpFetcher
from mobile_model.updater.errors import TooSlowError, TruncatedFileError, UnreachableError
from mobile_model.updater.fetcher import FILE_TIMEOUT_SECONDS

URL = "https://source.example/tuf/metadata/timestamp.json"


def fetcher(handler: Callable[[httpx.Request], httpx.Response], monotonic=lambda: 0.0) -> HttpFetcher:
    transport = httpx.MockTransport(handler)
    return HttpFetcher(httpx.Client(transport=transport, follow_redirects=True), monotonic)


def fetch(handler: Callable[[httpx.Request], httpx.Response]) -> bytes:
    with fetcher(handler) as http:
        return http.download_bytes(URL, 1_000_000)


def answer(status: int = 200, content: bytes = b"file", **headers: str) -> httpx.Response:
    """An answer as it comes off a wire: not read yet."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def failing(error: type[Exception]) -> Callable[[httpx.Request], httpx.Response]:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("words of a library", request=request)

    return handler


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError, UnreachableError),
        (httpx.ReadError, UnreachableError),
        (httpx.ProxyError, UnreachableError),
        (httpx.UnsupportedProtocol, UnreachableError),
        (httpx.TooManyRedirects, UnreachableError),
        (httpx.RemoteProtocolError, TruncatedFileError),
        (httpx.ConnectTimeout, TooSlowError),
        (httpx.ReadTimeout, TooSlowError),
        (httpx.PoolTimeout, TooSlowError),
    ],
)
def test_a_failure_is_an_error_of_the_phone_in_its_own_words(raised, expected):
    with pytest.raises(expected) as caught:
        fetch(failing(raised))
    assert "words of a library" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 404, 416, 500, 503])
def test_a_refusal_keeps_its_status(status):
    with pytest.raises(DownloadHTTPError) as caught:
        fetch(lambda _: answer(status))
    assert caught.value.status_code == status


def test_bytes_come_as_they_were_signed_even_from_a_server_that_guesses():
    packed = gzip.compress(b"model")
    assert fetch(lambda _: answer(content=packed, **{"Content-Encoding": "gzip"})) == packed


def test_no_server_is_asked_to_pack():
    asked = []
    fetch(lambda request: asked.append(request.headers["Accept-Encoding"]) or answer())
    assert asked == ["identity"]


def test_a_redirect_is_followed():
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "source.example":
            return answer(302, Location="https://cdn.example/file")
        return answer()

    assert fetch(handler) == b"file"


def test_a_file_that_drips_is_given_up():
    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(10_000):
                yield b"."

    ticks = count(step=FILE_TIMEOUT_SECONDS // 10)
    http = fetcher(lambda _: httpx.Response(200, stream=Drip()), lambda: next(ticks))
    with http, pytest.raises(TooSlowError):
        http.download_bytes(URL, 1_000_000)
    assert next(ticks) < FILE_TIMEOUT_SECONDS * 2


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Sun, 01 Jun 2025 12:00:00 GMT", datetime(2025, 6, 1, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("Sun, 01 Jun 2025 12:00:00 -0000", None),
    ],
)
def test_the_sources_clock_is_read_if_it_tells_one(header, told):
    with fetcher(lambda _: answer(Date=header)) as http:
        http.download_bytes(URL, 10)
        assert http.source_time == told
