"""Faults under load: nothing acknowledged is lost, nothing is done twice, and everything works again by itself.

A few of each that need neither root nor a server; `make faults` does all of them, and often.
"""

from random import Random

import pytest

from tests.system.faults.driver import Row, do, prepared

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

SEED = 20


def unbroken(row: Row) -> bool:
    return (row.lost, row.doubled, row.violations) == ((), (), ()) and min(row.acknowledged.values()) > 0


def test_the_embedded_suite_keeps_every_promise_when_it_is_killed() -> None:
    with prepared("embedded") as (stack, folder):
        faults = {fault.name: fault for fault in stack.faults()}
        plan = [faults["SIGKILL of suite"], faults["SIGKILL behind a step"], faults["SIGKILL of suite"]]
        row = do(stack, "kills", plan, folder=folder, random=Random(SEED), tell=print)
    assert unbroken(row), row


def test_services_of_their_own_keep_every_promise_when_one_is_killed_or_cut_off() -> None:
    with prepared("sqlite") as (stack, folder):
        faults = {fault.name: fault for fault in stack.faults()}
        kills = [faults[f"SIGKILL of {name}"] for name in ("ingestion", "training", "registry", "worker")]
        row = do(
            stack,
            "kills and cuts",
            [*kills, stack.network_cut(2), stack.peers_down(2)],
            folder=folder,
            random=Random(SEED),
            tell=print,
        )
    assert unbroken(row), row
