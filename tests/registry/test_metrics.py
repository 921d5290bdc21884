"""Candidates, channels and signatures are shown to Prometheus as they are."""

import pytest

from tests.databases import taken_away
from tests.registry.candidates import BAD, FIRST, SECOND
from tests.registry.conftest import Registry
from tests.shared.test_metrics import samples

DAY_SECONDS = 24 * 3600


def page(registry: Registry) -> dict[str, float]:
    return samples(registry.app.test_client().get("/metrics").data)


def test_candidates_are_counted_by_what_the_gate_said_and_stay_so(registry):
    for candidate in (BAD, FIRST, SECOND):
        registry.submit(candidate)
        registry.promote(candidate)
    registry.post("/channels/stable/rollback")
    registry.post(f"/releases/{SECOND.version}/withdraw", {"reason": "a fault"})
    shown = page(registry)
    assert shown['quietline_candidates_total{outcome="accepted"}'] == 2.0
    assert shown['quietline_candidates_total{outcome="refused"}'] == 1.0
    assert shown['quietline_channel_moves_total{move="promote"}'] == 2.0
    assert shown['quietline_channel_moves_total{move="rollback"}'] == 1.0


def test_the_end_of_every_signature_is_shown_before_and_after_it(registry):
    shown = page(registry)
    assert shown['quietline_signature_expires_seconds{role="timestamp"}'] == pytest.approx(3 * DAY_SECONDS)
    assert shown['quietline_signature_expires_seconds{role="root"}'] == pytest.approx(365 * DAY_SECONDS)
    assert shown["quietline_publication_is_behind"] == 0.0
    registry.clock.pass_by(days=4)
    shown = page(registry)
    assert shown['quietline_signature_expires_seconds{role="timestamp"}'] == pytest.approx(-DAY_SECONDS)
    assert shown["quietline_publication_is_behind"] == 1.0


def test_signatures_are_shown_while_the_database_is_gone(registry):
    with taken_away(registry.app.extensions["engine"]):
        shown = page(registry)
    assert shown["quietline_unread_metrics"] == 3.0
    assert 'quietline_signature_expires_seconds{role="timestamp"}' in shown
