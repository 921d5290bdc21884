"""Looks at a running suite from outside, as its clients and phones meet it: embedded or behind an edge."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx
from pydantic import ValidationError

from mobile_model.updater import HttpFetcher, PhoneStore, UpdateError, update
from shared.web import Diagnosis, Finding, State, judge, judge_clock

ROOMS: Final = ("ingestion", "training", "registry")
TIMEOUT: Final = httpx.Timeout(15, connect=5)
"""Training calls its peers before it answers, and waits up to 3 seconds for each."""

Found = tuple[str, Finding]
"""Where, and what."""


@dataclass(frozen=True)
class SuiteDoctor:
    """Looks at one suite.

    Args:
        address: where the suite answers.
        key: the admin's bearer key, if it is at hand.
        new_client: makes what speaks HTTP.
        now: gives the time of this machine.
    """

    address: str
    key: str | None
    new_client: Callable[[], httpx.Client]
    now: Callable[[], datetime]

    def examine(self) -> Iterator[Found]:
        """Gives all findings, service by service, and last what a phone meets."""
        with self.new_client() as client:
            for room in ROOMS:
                yield from ((room, finding) for finding in self._service(client, room))
        yield "phones", self._phone()

    def _service(self, client: httpx.Client, room: str) -> Iterator[Finding]:
        began_at, began_at_seconds = self.now(), time.monotonic()
        try:
            answer = client.get(f"{self.address}/{room}/healthz")
        except httpx.HTTPError as error:
            yield Finding(check="answers", state=State.FAILED, words=f"no answer ({type(error).__name__})")
            return
        seconds = time.monotonic() - began_at_seconds
        if not answer.is_success:
            yield Finding(check="answers", state=State.FAILED, words=f"answers with {answer.status_code}")
            return
        yield Finding(check="answers", state=State.OK, words=f"in {seconds * 1000:.0f} ms")
        there = _date_of(answer)
        if there is not None:
            ahead = (there - (began_at + timedelta(seconds=seconds / 2))).total_seconds()
            state, words = judge_clock(ahead, "the service, seen from this machine,")
            yield Finding(check="clock", state=state, words=words)
        yield from self._diagnosis(client, room)

    def _diagnosis(self, client: httpx.Client, room: str) -> Iterator[Finding]:
        """Asks the service itself; without the admin's key, what it tells everybody must do."""
        if self.key is None:
            yield Finding(check="key", state=State.WARNING, words="not at hand, so less is told")
            yield from self._readiness(client, room)
            return
        try:
            answer = client.get(f"{self.address}/{room}/v1/diagnosis", headers={"Authorization": f"Bearer {self.key}"})
        except httpx.HTTPError as error:
            words = f"its diagnosis broke off ({type(error).__name__})"
            yield Finding(check="answers", state=State.FAILED, words=words)
            return
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            words = "not known here" if answer.status_code == HTTPStatus.UNAUTHORIZED else "lacks the scope admin"
            yield Finding(check="key", state=State.FAILED, words=words)
            yield from self._readiness(client, room)
            return
        try:
            yield from Diagnosis.model_validate_json(answer.content).findings
        except ValidationError:
            words = f"its diagnosis is none (status {answer.status_code}); is it of another version?"
            yield Finding(check="answers", state=State.FAILED, words=words)

    def _readiness(self, client: httpx.Client, room: str) -> Iterator[Finding]:
        try:
            checks = client.get(f"{self.address}/{room}/readyz").json()["checks"]
            yield from (judge(str(name), str(words)) for name, words in checks.items())
        except (httpx.HTTPError, ValueError, KeyError, AttributeError, TypeError) as error:
            words = f"does not say whether it is ready ({type(error).__name__})"
            yield Finding(check="answers", state=State.FAILED, words=words)

    def _phone(self) -> Finding:
        """Lets a phone that is new and forgets everything update, which checks every signature and digest."""
        source = f"{self.address}/tuf/"
        with tempfile.TemporaryDirectory(prefix="quietline-doctor-") as folder, self.new_client() as client:
            phone = PhoneStore(Path(folder) / "phone")
            try:
                root = client.get(f"{source}metadata/1.root.json")
                if not root.is_success:
                    words = f"no root to trust: {source}metadata/1.root.json answers with {root.status_code}"
                    return Finding(check="phone", state=State.FAILED, words=words)
                phone.initialise(root.content, source)
                with HttpFetcher(self.new_client()) as fetcher:
                    outcome = update(phone, fetcher=fetcher, now=self.now)
            except httpx.HTTPError as error:
                words = f"{source} does not answer ({type(error).__name__})"
                return Finding(check="phone", state=State.FAILED, words=words)
            except UpdateError as error:
                return Finding(check="phone", state=State.FAILED, words=str(error))
        return Finding(check="phone", state=State.OK, words=outcome.describe())


def _date_of(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return None
