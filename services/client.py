"""A running suite as the command line sees it: plain HTTP, the same embedded and behind the edge."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpx

TIMEOUT: Final = httpx.Timeout(60, connect=5)
PAGE: Final = 200
"""How many items of a list are asked for at once: as many as the services give."""


class SuiteError(Exception):
    """The suite cannot be reached, or it refused; the text says what to do."""


class SuiteClient:
    """Calls a suite with one bearer key.

    Every method raises `SuiteError` when the suite cannot be reached or answers with a problem.
    """

    def __init__(self, address: str, key: str) -> None:
        self.address = address.rstrip("/")
        if not address.startswith(("http://", "https://")):
            raise SuiteError(f"an address looks like http://127.0.0.1:8700, not {address}")
        try:
            url = httpx.URL(self.address)
        except httpx.InvalidURL as error:
            raise SuiteError(f"an address looks like http://127.0.0.1:8700, not {address}") from error
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Reads a JSON object."""
        return self._object("GET", path, params=query)

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
        try:
            answer = self._http.get(path)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        _refuse_problem(answer)
        return answer.content

    def post(self, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a JSON object and reads one."""
        return self._object("POST", path, json=content or {})

    def import_reports(self, lines: Iterable[bytes], *, source: str, source_kind: str) -> Iterator[dict[str, Any]]:
        """Streams reports, one JSON object a line, and yields what ingestion says of them as it goes."""
        headers = {"Content-Type": "application/x-ndjson"}
        query = {"source": source, "source_kind": source_kind}
        yield from self._stream(
            "POST", "/ingestion/v1/reports:import", params=query, headers=headers, content=iter(lines)
        )

    def follow_run(self, run_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the run's events (kind, content) from its beginning until it has ended."""
        kind = "message"
        try:
            with self._http.stream("GET", f"/training/v1/runs/{run_id}/events", timeout=httpx.Timeout(60)) as answer:
                _refuse_problem(answer)
                for line in answer.iter_lines():
                    if line.startswith("event:"):
                        kind = line.removeprefix("event:").strip()
                    elif line.startswith("data:"):
                        yield kind, json.loads(line.removeprefix("data:"))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _object(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        _refuse_problem(answer)
        content: dict[str, Any] = answer.json()
        return content

    def _stream(self, method: str, path: str, **options: Any) -> Iterator[dict[str, Any]]:
        try:
            with self._http.stream(method, path, timeout=httpx.Timeout(None, connect=5), **options) as answer:
                _refuse_problem(answer)
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
