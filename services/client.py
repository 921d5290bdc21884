"""A running suite as the command line sees it: plain HTTP, the same embedded and behind the edge.

What is harmless to repeat is tried again for a while when the suite is busy or its answer is lost: reading, and sending
what the suite recognises (`Idempotency-Key`). Everything else is sent once.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Final

import httpx

from services.training.patience import Patience, Tries, asked_seconds

TIMEOUT: Final = httpx.Timeout(60, connect=5)
PAGE: Final = 200
"""How many items of a list are asked for at once: as many as the services give."""
PATIENCE: Final = Patience(seconds=20.0, first_seconds=0.3, longest_seconds=4.0)
"""How long somebody at a terminal waits for a suite that was there before."""
BUSY: Final = frozenset({429, 502, 503, 504})
"""Statuses that say that the same request may do better in a moment."""


class SuiteError(Exception):
    """The suite cannot be reached, or it refused; the text says what to do."""


class _BusyError(Exception):
    """The same request may do better later; `failure` is what to say when it did not."""

    def __init__(self, failure: SuiteError, seconds: float | None) -> None:
        super().__init__(str(failure))
        self.failure, self.asked_seconds = failure, seconds


class SuiteClient:
    """Calls a suite with one bearer key.

    Every method raises `SuiteError` when the suite cannot be reached or answers with a problem.

    Args:
        address: where the suite answers.
        key: the bearer key.
        pause: waits for so many seconds.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        address: str,
        key: str,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address.rstrip("/")
        if not address.startswith(("http://", "https://")):
            raise SuiteError(f"an address looks like http://127.0.0.1:8700, not {address}")
        try:
            url = httpx.URL(self.address)
        except httpx.InvalidURL as error:
            raise SuiteError(f"an address looks like http://127.0.0.1:8700, not {address}") from error
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT)
        self._pause, self._clock, self._random = pause, clock, Random()  # noqa: S311 - jitter
        self._was_reached = False

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Reads a JSON object."""
        return self._object("GET", path, repeatable=True, params=query)

    def get_all(self, path: str) -> Iterator[dict[str, Any]]:
        """Reads a list to its end, page by page."""
        query: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = self.get(path, **query)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def get_bytes(self, path: str) -> bytes:
        """Reads a file."""
        return self._ask("GET", path, repeatable=True).content

    def post(self, path: str, content: dict[str, Any] | None = None, *, repeatable: bool = False) -> dict[str, Any]:
        """Sends a JSON object and reads one.

        Args:
            path: where to.
            content: the object.
            repeatable: whether the suite knows a repetition by its Idempotency-Key or by what it says.
        """
        headers = {"Idempotency-Key": secrets.token_hex(16)} if repeatable else {}
        return self._object("POST", path, repeatable=repeatable, json=content or {}, headers=headers)

    def import_reports(self, lines: Iterable[bytes], *, source: str, source_kind: str) -> Iterator[dict[str, Any]]:
        """Streams reports, one JSON object a line, and yields what ingestion says of them as it goes."""
        headers = {"Content-Type": "application/x-ndjson"}
        query = {"source": source, "source_kind": source_kind}
        yield from self._stream(
            "POST", "/ingestion/v1/reports:import", params=query, headers=headers, content=iter(lines)
        )

    def follow_run(self, run_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the run's events (kind, content) from its beginning until it has ended.

        A stream that breaks off is joined again behind the last event.
        """
        last_id, tries = "", self._tries()
        while True:
            try:
                for event_id, kind, content in self._follow_once(run_id, last_id):
                    yield kind, content
                    if kind == "end":
                        return
                    last_id, tries = event_id, self._tries()
                failure, asked = SuiteError("the suite ended the stream before the run had ended"), None
            except _BusyError as error:
                failure, asked = error.failure, error.asked_seconds
            seconds = tries.pause(asked)
            if seconds is None:
                raise failure
            self._pause(seconds)

    def _follow_once(self, run_id: str, last_id: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        event_id, kind = "", "message"
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            with self._http.stream("GET", f"/training/v1/runs/{run_id}/events", headers=headers) as answer:
                self._refuse(answer, repeatable=True)
                for line in answer.iter_lines():
                    name, _, value = line.partition(":")
                    if name == "id":
                        event_id = value.strip()
                    elif name == "event":
                        kind = value.strip()
                    elif name == "data":
                        yield event_id, kind, json.loads(value)
        except httpx.HTTPError as error:
            raise self._lost(error, repeatable=True) from error

    def _tries(self) -> Tries:
        return Tries(PATIENCE, self._random, self._clock)

    def _object(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        content: dict[str, Any] = self._ask(method, path, **options).json()
        return content

    def _ask(self, method: str, path: str, *, repeatable: bool, **options: Any) -> httpx.Response:
        tries = self._tries()
        while True:
            try:
                answer = self._http.request(method, path, **options)
                self._refuse(answer, repeatable=repeatable)
            except httpx.HTTPError as error:
                busy = self._lost(error, repeatable=repeatable)
            except _BusyError as error:
                busy = error
            else:
                return answer
            seconds = tries.pause(busy.asked_seconds)
            if seconds is None:
                raise busy.failure
            self._pause(seconds)

    def _refuse(self, answer: httpx.Response, *, repeatable: bool) -> None:
        """Raises what a problem means: `_BusyError` where the same request may be sent again."""
        self._was_reached = True
        try:
            _refuse_problem(answer)
        except SuiteError as failure:
            if repeatable and answer.status_code in BUSY:
                raise _BusyError(failure, asked_seconds(answer.headers)) from failure
            raise

    def _lost(self, error: httpx.HTTPError, *, repeatable: bool) -> "_BusyError":
        """Gives what a lost request means, or raises it: whoever was never there is not waited for."""
        failure = self._unreachable(error)
        was_never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        if self._was_reached and (repeatable or was_never_sent):
            return _BusyError(failure, None)
        raise failure from error

    def _stream(self, method: str, path: str, **options: Any) -> Iterator[dict[str, Any]]:
        try:
            with self._http.stream(method, path, timeout=httpx.Timeout(None, connect=5), **options) as answer:
                self._refuse(answer, repeatable=False)
                for line in answer.iter_lines():
                    if line:
                        yield json.loads(line)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> SuiteError:
        return SuiteError(
            f"no answer from {self.address} ({type(error).__name__}); start the suite with `quietline up`, "
            "or name another with --address"
        )


def _refuse_problem(answer: httpx.Response) -> None:
    if answer.status_code < 400:  # noqa: PLR2004 - where HTTP's errors begin
        return
    answer.read()
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise SuiteError("the suite does not know this key; --key-file names the file of another")
    words = ": ".join(str(problem[part]) for part in ("title", "detail") if problem.get(part))
    raise SuiteError(words or f"the suite answered {answer.status_code}")
