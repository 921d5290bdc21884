"""Clients that use a suite all the time: they repeat what was not acknowledged, and remember what was."""

import hashlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from mobile_model.scorer import Scorer
from mobile_model.updater import PhoneStore, UpdateError, update
from mobile_model.updater.errors import DiskError, SourceError
from mobile_model.updater.errors import MissingFileError as MissingOnPhoneError
from tests.system.faults.ledger import COME_AGAIN, Caller, Ledger
from tests.system.faults.stacks import Stack

REPORTERS: Final = 3
PAUSE_SECONDS: Final = 0.05
LINES: Final = 100
RECIPE: Final = {"evaluated_copies": 0, "folds": 2}
"""The quickest that passes the gate."""
DRAIN_SECONDS: Final = 180.0
KINDS: Final = frozenset({"report", "import", "label", "phone", "run"})
LETTERS: Final = "bcdfghjklmnpqrstvwxz"


@dataclass
class SentReport:
    """A report that a client sent under one key, again and again until it was acknowledged."""

    body: dict[str, Any]
    token: str
    receipt: str = ""
    secret: str = ""
    withdrawal: str = "none"  # then asked, then done


@dataclass
class Memory:
    """What was acknowledged to the clients of one load; `tag` is in every text of theirs."""

    tag: str
    reports: dict[str, SentReport] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    promoted: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    adopted: int = 0


class Load:
    """All clients of one stack, until they are stopped.

    Args:
        stack: what they use.
        ledger: where they count.
        folder: for the phones.
        random: decides what they send.
        before: releases that are there already.
    """

    def __init__(self, stack: Stack, ledger: Ledger, folder: Path, random: Random, before: frozenset[str]) -> None:
        self._stack, self._ledger, self._folder, self._random = stack, ledger, folder, random
        self._before = before
        self.memory = Memory("".join(random.choices(LETTERS, k=8)))
        self.allowed_endings: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._give_up_at_seconds = float("inf")
        self._stop_phones = threading.Event()
        self.is_broken = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Lets the clients work; in the end each of them finishes what it began, and phones see what came of it."""
        clients: list[Callable[[Caller, Random], None]] = [self._report] * REPORTERS
        clients += [self._import, self._label, self._train]
        threads = [self._start(client, self._stop) for client in clients]
        phones = self._start(self._phone, self._stop_phones)
        try:
            yield
        finally:
            self._give_up_at_seconds = time.monotonic() + DRAIN_SECONDS
            self._stop.set()
            for thread in threads:
                self._await_end(thread)
            self._ledger.await_success({"phone"}, DRAIN_SECONDS)
            self._stop_phones.set()
            self._await_end(phones)

    def _start(self, client: Callable[[Caller, Random], None], stop: threading.Event) -> threading.Thread:
        arguments = (client, Random(self._random.random()), stop)
        thread = threading.Thread(target=self._work, args=arguments, daemon=True)
        thread.start()
        return thread

    def _await_end(self, thread: threading.Thread) -> None:
        thread.join(DRAIN_SECONDS + 60)
        if thread.is_alive():
            self._ledger.violate("a client of the driver did not end")

    def _work(self, client: Callable[[Caller, Random], None], random: Random, stop: threading.Event) -> None:
        caller = Caller(self._ledger, self._stack.key)
        try:
            while not stop.is_set():
                client(caller, random)
                stop.wait(random.uniform(0, 2 * PAUSE_SECONDS))
        except Exception as error:
            self.is_broken = True
            self._ledger.violate(f"the driver's own client broke: {type(error).__name__}: {error}")
            raise
        finally:
            caller.close()

    def _insist(self, caller: Caller, kind: str, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Asks again and again until there is an answer; None only when even the time to finish is used up.

        What did what it should counts as recovered; of an import that is its last line, which the caller looks at.
        """
        while time.monotonic() < self._give_up_at_seconds:
            began = time.monotonic()
            answer = caller.ask(method, self._stack.url(path), **options)
            if answer is not None:
                if answer.is_success and kind != "import":
                    self._ledger.succeed(kind, began)
                return answer
            time.sleep(2 * PAUSE_SECONDS)
        self._ledger.violate(f"{method} {kind} was never acknowledged")
        return None

    def _report(self, caller: Caller, random: Random) -> None:
        key, token = uuid.UUID(int=random.getrandbits(128)).hex, self.memory.tag + "".join(random.choices(LETTERS, k=8))
        body = {
            "sender": "1069012345",
            "body": f"本店 {token} 清仓，欢迎光临选购",
            "received_at": datetime.now(UTC).isoformat(),
            "consent": True,
        }
        sent = SentReport(body, token)
        answer = self._insist(
            caller, "report", "POST", "/ingestion/v1/reports", json=body, headers={"Idempotency-Key": key}
        )
        if answer is None:
            return
        sent.receipt, sent.secret = answer.json()["receipt"], answer.json()["secret"]
        self.memory.reports[key] = sent
        drawn = random.random()
        if drawn < 0.1:  # the same key again gives the same receipt
            self.repeat(caller, key, sent)
        elif drawn < 0.15:
            sent.withdrawal = "asked"
            path, headers = f"/ingestion/v1/reports/{sent.receipt}", {"X-Receipt-Secret": sent.secret}
            if self._insist(caller, "withdrawal", "DELETE", path, headers=headers) is not None:
                sent.withdrawal = "done"

    def repeat(self, caller: Caller, key: str, sent: SentReport) -> None:
        """Sends a report again that was acknowledged."""
        again = self._insist(
            caller, "report", "POST", "/ingestion/v1/reports", json=sent.body, headers={"Idempotency-Key": key}
        )
        if again is not None and (again.status_code, again.json()["receipt"]) != (200, sent.receipt):
            self._ledger.violate("a repeated report got another receipt")

    def _import(self, caller: Caller, random: Random) -> None:
        source = f"{self.memory.tag}-{len(self.memory.imports)}-{random.randrange(10**6)}"
        lines = [{"id": str(n), "text": f"{self.memory.tag} 第{n}行 {source}"} for n in range(LINES)]
        content = "\n".join(json.dumps(line) for line in lines).encode()
        while True:
            began = time.monotonic()
            answer = self._insist(
                caller,
                "import",
                "POST",
                "/ingestion/v1/reports:import",
                params={"source": source, "source_kind": "operator"},
                content=content,
                headers={"Content-Type": "application/x-ndjson"},
            )
            if answer is None:
                return
            last = json.loads(answer.text.rstrip().rsplit("\n", 1)[-1])
            if last["done"]:
                self._ledger.succeed("import", began)
                break
            if last["problem"]["status"] not in COME_AGAIN:
                self._ledger.violate(f"an import ended with {last['problem']['type']}")
            self._stop.wait(0.5)
        if last["accepted"] + last["duplicates"] != LINES:
            self._ledger.violate(f"an import answered {last['accepted']} + {last['duplicates']} of {LINES}")
        self.memory.imports.append(source)
        self._stop.wait(0.5)

    def _label(self, caller: Caller, random: Random) -> None:
        query = {"source": "phones", "limit": 20, "q": self.memory.tag, "status": "received"}
        listed = self._insist(caller, "list", "GET", "/ingestion/v1/reports", params=query)
        items = [] if listed is None else listed.json()["items"]
        if items:
            report, category = random.choice(items)["id"], "promotion"
            path = f"/ingestion/v1/reports/{report}/label"
            answer = self._insist(caller, "label", "POST", path, json={"category": category}, but={404})
            if answer is not None and answer.is_success:
                self.memory.labels[report] = category
        self._stop.wait(0.3)

    def _train(self, caller: Caller, random: Random) -> None:
        frozen = self._insist(caller, "snapshot", "POST", "/ingestion/v1/snapshots")
        if frozen is None:
            return
        snapshot = frozen.json()
        self.memory.snapshots[snapshot["id"]] = snapshot["digest"]
        body, key = {"snapshot": snapshot["id"], "recipe": RECIPE}, uuid.UUID(int=random.getrandbits(128)).hex
        started = self._insist(
            caller, "start", "POST", "/training/v1/runs", json=body, headers={"Idempotency-Key": key}
        )
        if started is None:
            return
        run_id = started.json()["id"]
        self.memory.runs[run_id] = key
        ended = self._follow(caller, run_id)
        if ended is None:
            return
        self.memory.endings[ended["state"]] += 1
        word = (ended.get("problem") or {}).get("type", "").rsplit(":", 1)[-1]
        if ended["state"] != "succeeded" and word not in self.allowed_endings:
            self._ledger.violate(f"a run ended as {ended['state']}: {word}")
        if ended["state"] == "succeeded":
            self.memory.releases[run_id] = ended["release"]
            path, body = "/registry/v1/channels/stable/promote", {"version": ended["release"], "percentage": 100}
            if self._insist(caller, "promotion", "POST", path, json=body) is not None:
                self.memory.promoted.append(ended["release"])

    def _follow(self, caller: Caller, run_id: str) -> dict[str, Any] | None:
        before: Any = None
        while True:
            began = time.monotonic()
            shown = self._insist(caller, "show", "GET", f"/training/v1/runs/{run_id}")
            if shown is None:
                return None
            run: dict[str, Any] = shown.json()
            if run != before:
                self._ledger.succeed("run", began)
            if run["finished_at"] is not None:
                return run
            before = run
            if began > self._give_up_at_seconds:
                self._ledger.violate("a run did not end")
                return None
            time.sleep(0.2)

    def _phone(self, caller: Caller, random: Random) -> None:
        """Updates one phone over and over, and now and then a new one."""
        phone = PhoneStore(self._folder / "phone")
        if random.random() < 0.05:
            phone = PhoneStore(self._folder / f"phone-{random.getrandbits(32)}")
        source = self._stack.url("/tuf/")
        if not phone.is_initialised():
            root = self._insist(caller, "root", "GET", "/tuf/metadata/1.root.json")
            if root is None:
                return
            phone.initialise(root.content, source)
        began, promised = time.monotonic(), len(self.memory.promoted)
        self._ledger.note_request()
        try:
            outcome = update(phone, source=source)
        except UpdateError as error:
            self._ledger.note_no_answer()
            if not isinstance(error, SourceError) or isinstance(error, MissingOnPhoneError | DiskError):
                self._ledger.violate(f"a phone met {type(error).__name__}: {error}")
            return
        release = phone.current()
        if outcome.release is not None and (release is None or release.card.version != outcome.release):
            self._ledger.violate("a phone holds another release than it adopted")
        if release is not None and outcome.before != outcome.release:
            Scorer(release.model, release.card).score("您的验证码是 604817")
        self.memory.adopted += outcome.release is not None
        # What was acknowledged before the update began, or something newer, whose answer may still be under way.
        older = {None, *self._before, *self.memory.promoted[: promised - 1]}
        if promised and outcome.release in older:
            self._ledger.violate("a phone got an older release than the one whose promotion was acknowledged")
        self._ledger.succeed("phone", began)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
