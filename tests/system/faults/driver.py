"""Does faults to a stack while load runs, and says what came of each."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from services.client import SuiteClient
from services.ingestion.starter_corpus import read_starter_corpus
from tests.system.faults.audit import Audit
from tests.system.faults.ledger import Ledger
from tests.system.faults.load import KINDS, RECIPE, Load
from tests.system.faults.stacks import Fault, Stack
from tests.system.scenario import typical_corpus
from tests.system.suite import until

RECOVERY_SECONDS: Final = 180.0
"""Longer than that is no recovery by itself."""
LONGEST_PAUSE_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Row:
    """What came of one fault, done a number of times."""

    stack: str
    fault: str
    times: int
    requests: int
    acknowledged: dict[str, int]
    errors: dict[int, int]
    unanswered: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    violations: tuple[str, ...]
    updates: int
    runs: dict[str, int]
    longest_recovery_seconds: float

    @property
    def is_sound(self) -> bool:
        """Tells whether every promise was held."""
        return not (self.lost or self.doubled or self.violations)

    def document(self) -> dict[str, Any]:
        """Gives the row as JSON values."""
        return asdict(self) | {"sound": self.is_sound}


AnyStack = TypeVar("AnyStack", bound=Stack)


@contextmanager
def prepared(
    make: Callable[[Path], AbstractContextManager[AnyStack]], *, in_service: bool = True, keep: bool = False
) -> Iterator[tuple[AnyStack, Path]]:
    """Gives a running stack with the starter corpus, and a folder for phones.

    Args:
        make: starts the stack in a folder.
        in_service: whether there is a release in service too.
        keep: whether the folder, with the logs, stays.

    Raises:
        UnavailableError: if this machine lacks what it needs.
    """
    folder = Path(tempfile.mkdtemp(prefix="quietline-faults-"))
    try:
        with make(folder) as stack:
            _import_corpus(stack)
            if in_service:
                _put_into_service(stack)
            yield stack, folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _room(stack: Stack, name: str) -> SuiteClient:
    return SuiteClient(stack.url(f"/{name}").removesuffix(f"/{name}"), stack.key)


def _import_corpus(stack: Stack) -> None:
    with closing(_room(stack, "ingestion")) as ingestion:
        lines = typical_corpus(read_starter_corpus())
        *_, last = ingestion.import_reports(lines, source="starter", source_kind="corpus")
        assert last["done"], last


def _put_into_service(stack: Stack) -> None:
    with ExitStack() as exits:
        rooms = [exits.enter_context(closing(_room(stack, name))) for name in ("ingestion", "training", "registry")]
        ingestion, training, registry = rooms
        snapshot = ingestion.post("/ingestion/v1/snapshots")
        run = training.post("/training/v1/runs", {"snapshot": snapshot["id"], "recipe": RECIPE})
        address = f"/training/v1/runs/{run['id']}"
        until(lambda: training.get(address)["finished_at"] is not None, "the first run ends", 180)
        ended = training.get(address)
        assert ended["state"] == "succeeded", ended
        registry.post("/registry/v1/channels/stable/promote", {"version": ended["release"], "percentage": 100})


def do(
    stack: Stack, name: str, plan: Sequence[Fault], *, folder: Path, random: Random, tell: Callable[[str], None]
) -> Row:
    """Lets faults happen one after the other while load runs, and looks afterwards at what is there.

    Args:
        stack: that they are done to.
        name: for the row.
        plan: the faults.
        folder: for phones.
        random: decides what is sent and when things happen.
        tell: is told how far it is.
    """
    with Audit(stack) as audit:
        known_runs, before = audit.runs(), audit.releases()
    ledger = Ledger()
    ledger.allowed_statuses = frozenset().union(*(fault.statuses for fault in plan))
    load = Load(stack, ledger, folder / f"phones-{random.getrandbits(32)}", random, before)
    load.allowed_endings = frozenset().union(*(fault.endings for fault in plan))
    recoveries = []
    with load.running():
        ledger.await_success(KINDS, RECOVERY_SECONDS)
        for done, fault in enumerate(plan, 1):
            time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
            if load.is_broken:
                break
            with fault.happen(random):
                recoveries.append(ledger.await_success(KINDS, RECOVERY_SECONDS))
            tell(f"{stack.name}, {fault.name}: {done} of {len(plan)}, recovered in {recoveries[-1]:.1f} s")
    memory = load.memory
    with Audit(stack) as audit:
        finding = audit.look(memory, known_runs, random)
    return Row(
        stack=stack.name,
        fault=name,
        times=len(recoveries),
        requests=ledger.requests,
        acknowledged={
            "reports": len(memory.reports),
            "imports": len(memory.imports),
            "labels": len(memory.labels),
            "snapshots": len(memory.snapshots),
            "runs": len(memory.runs),
            "promotions": len(memory.promoted),
        },
        errors=dict(sorted(ledger.errors.items())),
        unanswered=ledger.unanswered,
        lost=finding.lost,
        doubled=finding.doubled,
        violations=tuple(f"{count} times: {words}" for words, count in ledger.violations.items()),
        updates=memory.adopted,
        runs=dict(memory.endings),
        longest_recovery_seconds=round(max(recoveries, default=0.0), 1),
    )
