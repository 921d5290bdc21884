"""What ingestion counts is what happened, and its page says so even while the database does not answer."""

import pytest

from tests.databases import taken_away
from tests.shared.test_metrics import samples


def page(ingestion) -> dict[str, float]:
    return samples(ingestion.app.test_client().get("/metrics").data)


def grown(before: dict[str, float], after: dict[str, float], word: str) -> dict[str, float]:
    """Gives what grew, by how much, without what every metric's name begins with."""
    return {
        name.removeprefix("quietline_"): value - before.get(name, 0.0)
        for name, value in after.items()
        if word in name and value != before.get(name, 0.0) and "_created" not in name
    }


def test_reports_are_counted_once_by_the_way_they_came(ingestion):
    before = page(ingestion)
    ingestion.report("您的验证码是604817", key="key-00001")
    ingestion.report("您的验证码是604817", key="key-00001")
    lines = [{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}, {"text": "", "category": "fraud"}]
    ingestion.import_lines(lines)
    ingestion.import_lines(lines[:1])
    after = page(ingestion)
    assert grown(before, after, "accepted") == {
        'reports_accepted_total{way="single"}': 1.0,
        'reports_accepted_total{way="import"}': 2.0,
        'import_lines_total{outcome="accepted"}': 2.0,
    }
    assert grown(before, after, "import_lines") == {
        'import_lines_total{outcome="accepted"}': 2.0,
        'import_lines_total{outcome="duplicate"}': 1.0,
        'import_lines_total{outcome="refused"}': 1.0,
    }
    assert grown(before, after, "masked") == {'masked_slots_total{kind="code"}': 1.0}


def test_labels_withdrawals_snapshots_and_campaigns_are_shown(ingestion):
    ingestion.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}])
    receipt = ingestion.report("三四五六").json
    report_id = ingestion.get("/reports").json["items"][-1]["id"]
    before = page(ingestion)
    assert "quietline_newest_snapshot_age_seconds" not in before
    ingestion.post(f"/reports/{report_id}/label", {"category": "gambling"})
    ingestion.freeze()
    ingestion.freeze()
    ingestion.clock.pass_by(minutes=2)
    secret = {"X-Receipt-Secret": receipt["secret"]}
    assert ingestion.call("DELETE", f"/reports/{receipt['receipt']}", by="phone", headers=secret).status_code == 204
    after = page(ingestion)
    assert grown(before, after, "labels_set") == {'labels_set_total{category="gambling"}': 1.0}
    assert grown(before, after, "withdrawn") == {"reports_withdrawn_total": 1.0}
    assert grown(before, after, "frozen") == {"snapshots_frozen_total": 1.0}
    assert after["quietline_newest_snapshot_age_seconds"] == pytest.approx(120.0)
    assert after["quietline_campaigns"] == len(ingestion.campaigns())
    assert after['quietline_disk_free_bytes{folder="snapshots"}'] > 0


def test_what_the_database_would_say_is_missing_while_it_is_gone_and_the_counts_are_not(ingestion):
    ingestion.report("你好")
    with taken_away(ingestion.engine):
        shown = page(ingestion)
    assert shown["quietline_unread_metrics"] == 2.0
    assert "quietline_campaigns" not in shown
    assert shown['quietline_reports_accepted_total{way="single"}'] == 1.0
    assert page(ingestion)["quietline_unread_metrics"] == 0.0
