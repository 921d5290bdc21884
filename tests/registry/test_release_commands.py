"""`quietline release list`: what there is, and what of it phones get."""

import pytest
from click.testing import CliRunner

from services.cli import main
from tests.in_process import InProcessSuite
from tests.registry.candidates import BAD, FIRST, SECOND

pytestmark = pytest.mark.usefixtures("quiet_suite")


@pytest.fixture
def listed(registry, monkeypatch):
    """Gives what the table says of the state of each release, newest first."""
    monkeypatch.setattr("services.cli.Target", lambda *_: InProcessSuite("publisher", registry=registry.app))

    def rows() -> dict[str, str]:
        result = CliRunner().invoke(main, ["release", "list"])
        assert (result.exit_code, result.stderr) == (0, "")
        states: dict[str, str] = {}
        version = ""
        for line in result.stdout.splitlines():
            if line.startswith("│"):
                cells = [cell.strip() for cell in line.strip("│").split("│")]
                version = cells[0] or version
                states[version] = f"{states.get(version, '')} {cells[1]}".strip()
        return states

    return rows


def test_it_shows_which_release_is_in_service_on_which_channel(registry, listed):
    registry.submit(BAD)
    registry.submit(FIRST)
    states = {BAD.version: "refused", FIRST.version: "accepted"}
    assert listed() == states
    registry.promote(FIRST)
    registry.promote(FIRST, channel="beta")
    registry.submit(SECOND)
    assert listed() == states | {FIRST.version: "accepted on beta on stable", SECOND.version: "accepted"}
    registry.promote(SECOND, channel="beta")
    registry.promote(SECOND, percentage=10)
    states |= {FIRST.version: "accepted on stable", SECOND.version: "accepted on beta on stable at 10 %"}
    assert listed() == states
    registry.post(f"/releases/{SECOND.version}/withdraw", {"reason": "a fault"})
    assert listed() == states | {FIRST.version: "accepted on beta on stable", SECOND.version: "withdrawn"}


def test_it_shows_a_release_that_was_submitted_long_ago(registry, listed, monkeypatch):
    monkeypatch.setattr("services.client.PAGE", 1)
    registry.submit(FIRST)
    registry.promote(FIRST, channel="beta")
    registry.promote(FIRST)
    registry.clock.pass_by(days=1)
    registry.submit(SECOND)
    assert list(listed().items()) == [(SECOND.version, "accepted"), (FIRST.version, "accepted on beta on stable")]
