"""What was asked and answered while faults happened, and every promise that was broken."""

import threading
import time
from collections import Counter
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final

import httpx

from shared.problems import PROBLEM_MEDIA_TYPE
from tests.system.suite import until

TIMEOUT: Final = httpx.Timeout(40, connect=5)
COME_AGAIN: Final = frozenset({429, 502, 503, 504, 507})
"""Statuses that a client may meet while something is wrong; 502 and 504 are the edge's."""


class Ledger:
    """Counts for one fault, shared by all clients."""

    def __init__(self) -> None:
        self.requests = 0
        self.unanswered = 0
        self.errors: Counter[int] = Counter()
        self.violations: Counter[str] = Counter()
        self.allowed_statuses: frozenset[int] = frozenset()
        self._succeeded_at_seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def note_request(self) -> None:
        with self._lock:
            self.requests += 1

    def note_no_answer(self) -> None:
        with self._lock:
            self.unanswered += 1

    def note_error(self, answer: httpx.Response) -> None:
        """Counts an error and checks its form."""
        with self._lock:
            self.errors[answer.status_code] += 1
        what = f"{answer.request.method} {_shape(answer.request.url.path)} answered {answer.status_code}"
        media_type = answer.headers.get("Content-Type", "")
        if media_type != PROBLEM_MEDIA_TYPE:
            self.violate(f"{what} as {media_type or 'nothing'}, not as a problem")
        elif answer.json().get("status") != answer.status_code:
            self.violate(f"{what} with another status in its problem")
        if answer.status_code in COME_AGAIN and not answer.headers.get("Retry-After"):
            self.violate(f"{what} without Retry-After")
        if answer.status_code not in COME_AGAIN | self.allowed_statuses:
            word = answer.json().get("type", "") if media_type == PROBLEM_MEDIA_TYPE else ""
            self.violate(f"{what} {word}")

    def violate(self, words: str) -> None:
        with self._lock:
            self.violations[words] += 1

    def succeed(self, kind: str, began_at_seconds: float) -> None:
        """Notes that something which began then did what it should."""
        with self._lock:
            self._succeeded_at_seconds[kind] = max(began_at_seconds, self._succeeded_at_seconds.get(kind, 0.0))

    def await_success(self, kinds: Collection[str], seconds: float) -> float:
        """Waits until each kind of work was begun anew and done; gives the seconds that this took."""
        since = time.monotonic()

        def waiting() -> list[str]:
            with self._lock:
                return [kind for kind in kinds if self._succeeded_at_seconds.get(kind, 0.0) < since]

        try:
            until(lambda: not waiting(), "everything works again", seconds)
        except AssertionError:
            self.violate(f"not within {seconds:.0f} s without a hand: {', '.join(waiting())}")
        return time.monotonic() - since


def _shape(path: str) -> str:
    return "/".join("..." if len(part) >= 16 else part for part in path.split("/"))


class Caller:
    """One client's connection."""

    def __init__(self, ledger: Ledger, key: str) -> None:
        self._ledger = ledger
        self._http = httpx.Client(timeout=TIMEOUT, headers={"Authorization": f"Bearer {key}"})

    def ask(self, method: str, url: str, *, but: Collection[int] = (), **options: Any) -> httpx.Response | None:
        """Gives the answer, of success or with a status named by `but`; None if there is none yet."""
        self._ledger.note_request()
        try:
            answer = self._http.request(method, url, **options)
        except httpx.TransportError:
            self._ledger.note_no_answer()
            return None
        if answer.is_success or answer.status_code in but:
            return answer
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            self._ledger.note_error(answer)
        return None

    def close(self) -> None:
        self._http.close()
