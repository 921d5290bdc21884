"""Afterwards: is everything there that was acknowledged, and once?"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Self

import httpx

from tests.system.faults.ledger import COME_AGAIN
from tests.system.faults.load import LINES, Memory, digest_of
from tests.system.faults.stacks import Stack

PAGE: Final = 200
PATIENCE_SECONDS: Final = 60.0
OPENED: Final = 100
"""So many receipts are opened, and so many reports sent again."""


@dataclass(frozen=True)
class Finding:
    """What was acknowledged and is gone, and what is there twice or was never asked for."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]


class Audit:
    """Looks at a stack that nobody else uses.

    Args:
        stack: the suite.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._http = httpx.Client(timeout=60, headers={"Authorization": f"Bearer {stack.key}"})
        self._lost: list[str] = []
        self._doubled: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def runs(self) -> frozenset[str]:
        return frozenset(run["id"] for run in self._all("/training/v1/runs"))

    def releases(self) -> frozenset[str]:
        return frozenset(release["version"] for release in self._all("/registry/v1/releases"))

    def look(self, memory: Memory, known_runs: frozenset[str], random: Random) -> Finding:
        self._look_at_reports(memory)
        self._open_receipts(memory, random)
        self._look_at_imports(memory)
        self._look_at_snapshots(memory)
        self._look_at_runs(memory, known_runs)
        self._look_at_promotions(memory)
        return Finding(tuple(self._lost), tuple(self._doubled))

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Asks until there is an answer: the edge counts requests, and a service may just be coming back."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._http.request(method, self._stack.url(path), **options)
            if answer.status_code not in COME_AGAIN or time.monotonic() > deadline:
                return answer
            time.sleep(float(answer.headers["Retry-After"]))

    def _get(self, path: str, **options: Any) -> httpx.Response:
        return self._ask("GET", path, **options)

    def _all(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        asked: dict[str, str | int] = {"limit": PAGE, **query}
        while True:
            page = self._get(path, params=asked).raise_for_status().json()
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]

    def _look_at_reports(self, memory: Memory) -> None:
        listed = list(self._all("/ingestion/v1/reports", source="phones", q=memory.tag))
        counts = Counter(_token(report["text"], memory.tag) for report in listed)
        self._doubled += [f"report {token} is there {count} times" for token, count in counts.items() if count > 1]
        for sent in memory.reports.values():
            there = counts[sent.token] > 0
            if sent.withdrawal == "none" and not there:
                self._lost.append(f"report {sent.token}")
            if sent.withdrawal == "done" and there:
                self._lost.append(f"the withdrawal of report {sent.token}")
        labels = {report["id"]: report["category"] for report in listed}
        for report, category in memory.labels.items():
            if report in labels and labels[report] != category:
                self._lost.append(f"label {category} of report {report}")

    def _open_receipts(self, memory: Memory, random: Random) -> None:
        drawn = random.sample(sorted(memory.reports), min(OPENED, len(memory.reports)))
        for key in drawn:
            sent = memory.reports[key]
            path, headers = f"/ingestion/v1/reports/{sent.receipt}", {"X-Receipt-Secret": sent.secret}
            opened = self._get(path, headers=headers)
            if opened.status_code != (410 if sent.withdrawal == "done" else 200):
                self._lost.append(f"receipt of report {sent.token}: {opened.status_code}")
            if sent.withdrawal == "none":
                headers = {"Idempotency-Key": key}
                again = self._ask("POST", "/ingestion/v1/reports", json=sent.body, headers=headers)
                if (again.status_code, again.json().get("receipt")) != (200, sent.receipt):
                    self._doubled.append(f"report {sent.token} under the same key: {again.status_code}")

    def _look_at_imports(self, memory: Memory) -> None:
        for source in memory.imports:
            texts = [report["text"] for report in self._all("/ingestion/v1/reports", source=source)]
            if len(set(texts)) < LINES:
                self._lost.append(f"{LINES - len(set(texts))} lines of import {source}")
            if len(texts) > LINES:
                self._doubled.append(f"{len(texts) - LINES} lines of import {source}")

    def _look_at_snapshots(self, memory: Memory) -> None:
        for snapshot, digest in memory.snapshots.items():
            answer = self._get(f"/ingestion/v1/snapshots/{snapshot}/data")
            if not answer.is_success or digest_of(answer.content) != digest:
                self._lost.append(f"snapshot {snapshot}: {answer.status_code}")

    def _look_at_runs(self, memory: Memory, known_runs: frozenset[str]) -> None:
        there = {run["id"]: run for run in self._all("/training/v1/runs")}
        self._lost += [f"run {run}" for run in memory.runs if run not in there]
        endless = [run for run in memory.runs if run in there and there[run]["finished_at"] is None]
        self._lost += [f"the end of run {run}" for run in endless]
        for run, version in memory.releases.items():
            if run in there and (there[run]["state"], there[run]["release"]) != ("succeeded", version):
                self._lost.append(f"the ending of run {run}")
        self._doubled += [f"run {run} nobody knows of" for run in there.keys() - memory.runs - known_runs]
        releases = Counter(release["run_id"] for release in self._all("/registry/v1/releases"))
        self._lost += [f"release of run {run}" for run in memory.releases if not releases[run]]
        self._doubled += [f"releases of run {run}" for run in memory.runs if releases[run] > 1]

    def _look_at_promotions(self, memory: Memory) -> None:
        events = self._all("/registry/v1/channels/stable/history")
        promotions = Counter(event["version"] for event in events if event["event"] == "promote")
        self._lost += [f"promotion of {version}" for version in memory.promoted if not promotions[version]]
        self._doubled += [f"promotion of {version}" for version in memory.promoted if promotions[version] > 1]


def _token(text: str, tag: str) -> str:
    at = text.find(tag)
    return text[at : at + 2 * len(tag)]
