"""Faults under load: nothing acknowledged is lost, nothing is done twice, and everything works again by itself.

A few that need neither root nor a server; `make faults` does all of them, and often.
"""

from random import Random

import pytest

from tests.system.faults.driver import Row, do, prepared
from tests.system.faults.stacks import embedded, on_sqlite

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

SEED = 20


def unbroken(row: Row) -> bool:
    """Tells whether every promise was held, and none because nothing was asked for."""
    return row.is_sound and min(row.acknowledged.values()) > 0 and row.updates > 0


def test_the_embedded_suite_keeps_every_promise_when_it_is_killed() -> None:
    with prepared(embedded, in_service=False) as (stack, folder):
        faults = {fault.name: fault for fault in stack.faults()}
        plan = [faults["SIGKILL of suite"], faults["SIGKILL behind a step"]]
        row = do(stack, "kills", plan, folder=folder, random=Random(SEED), tell=print)
    assert unbroken(row), row


def test_services_of_their_own_keep_every_promise_when_one_is_killed_or_cut_off() -> None:
    with prepared(on_sqlite, in_service=False) as (stack, folder):
        faults = {fault.name: fault for fault in stack.faults()}
        plan = [faults["SIGKILL of registry"], stack.network_cut(2), faults["SIGKILL of worker"]]
        row = do(stack, "kills and cuts", plan, folder=folder, random=Random(SEED), tell=print)
    assert unbroken(row), row
