"""The phone's one port to the network, and HTTP behind it.

Whatever goes wrong on the wire leaves here as a `SourceError`, or as TUF's `DownloadHTTPError`, by which the TUF client
learns that there is no newer root. Lengths are limited by the TUF client, which knows what was announced.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import httpx
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from mobile_model.updater.errors import TooSlowError, TruncatedFileError, UnreachableError

READ_TIMEOUT_SECONDS: Final = 15
FILE_TIMEOUT_SECONDS: Final = 120
"""How long one file may take in all; at 700 KB that is 6 KB a second."""


class Fetcher(FetcherInterface):
    """Fetches files. The tests' repository implements the same port."""

    source_time: datetime | None = None
    """The source's own clock as it last told it. Nobody signs it, so it may only choose words, never trust."""

    @abstractmethod
    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yields the bytes of a file as they come.

        Raises:
            SourceError: if they cannot be had.
            DownloadHTTPError: if the source answers with a status of 400 or more.
        """


class HttpFetcher(Fetcher):
    """Fetches files over HTTP; a context manager that closes its connections.

    Args:
        client: the connections to use; made and closed here if None.
        monotonic: a clock in seconds, to measure how long a file takes.
    """

    def __init__(self, client: httpx.Client | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client or httpx.Client(timeout=READ_TIMEOUT_SECONDS, follow_redirects=True)
        self._monotonic = monotonic

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _fetch(self, url: str) -> Iterator[bytes]:
        deadline = self._monotonic() + FILE_TIMEOUT_SECONDS
        try:
            # What was signed are the bytes of the file, so nobody may pack or unpack them on the way.
            with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                self.source_time = _date_of(answer)
                if answer.status_code >= 400:  # noqa: PLR2004 - where HTTP's errors begin
                    raise DownloadHTTPError(f"{url}: {answer.status_code}", answer.status_code)
                for chunk in answer.iter_raw():
                    if self._monotonic() > deadline:
                        raise TooSlowError(f"{url} did not come within {FILE_TIMEOUT_SECONDS} seconds; try again later")
                    yield chunk
        except httpx.TimeoutException as error:
            raise TooSlowError(f"{url} did not come in time; try again later") from error
        except httpx.RemoteProtocolError as error:
            raise TruncatedFileError(f"{url} broke off before its end; try again") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(
                f"no answer from {url} ({type(error).__name__}); is the network up, and the source?"
            ) from error


def _date_of(answer: httpx.Response) -> datetime | None:
    try:
        moment = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
