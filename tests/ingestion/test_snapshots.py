"""Snapshots: immutable, reproducible, and no source can fill one alone."""

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion import snapshots
from services.ingestion.reports import SourceKind, is_held_out
from services.ingestion.snapshots import CAMPAIGN_CAP, DRAFT, REPORTER_CAP, SCHEMA, SnapshotFolder, Weights
from services.ingestion.store import VerifiedReport
from tests.ingestion.conftest import Ingestion

WORDS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"


def different(number: int) -> str:
    """Gives texts that are no near-copies of each other."""
    return hashlib.sha256(str(number).encode()).hexdigest().translate(str.maketrans("0123456789abcdef", WORDS[:16]))


def lines(count: int, **members):
    return [
        {"text": different(n), "id": str(n), "category": "fraud" if n % 2 else "personal"} | members
        for n in range(count)
    ]


@pytest.fixture
def filled(ingestion: Ingestion) -> Ingestion:
    ingestion.import_lines(
        [
            {"text": "加微信xm_8899看图，验证码482913", "category": "porn", "id": "1"},
            {"text": "您的快递已到", "category": "transactional", "topic": "courier", "id": "2", "sender": "95588"},
            {"text": "還沒有人看過的訊息", "id": "3"},
        ]
    )
    return ingestion


def test_a_snapshot_holds_the_verified_reports_masked(filled):
    made = filled.post("/snapshots")
    assert made.status_code == 201
    snapshot = made.json
    assert (snapshot["reports"], snapshot["by_category"]) == (2, {"porn": 1, "transactional": 1})
    rows = filled.rows(snapshot["id"])
    assert [row["report_id"] for row in rows] == sorted(row["report_id"] for row in rows)
    by_category = {row["category"]: row for row in rows}
    assert by_category["porn"]["text"] == "加微信xm_8899看图，验证码⟦code:6⟧"
    courier = by_category["transactional"]
    assert (courier["topic"], courier["source"], courier["source_kind"]) == ("courier", "desk", "operator")
    assert (courier["reporter_weight"], courier["language"]) == (1.0, "zh-Hans")
    assert courier["received_at"] == filled.clock.at
    assert snapshot["held_out"] == sum(row["held_out"] for row in rows)
    assert all(row["held_out"] == is_held_out(row["campaign"]) for row in rows)


def test_the_columns_are_those_that_were_agreed(filled, tmp_path):
    filled.freeze()
    (file,) = (tmp_path / "snapshots").glob("*.parquet")
    assert pq.read_schema(file).equals(SCHEMA)
    assert SCHEMA.names == [
        "report_id", "text", "category", "topic", "campaign", "source", "source_kind",
        "reporter_weight", "language", "received_at", "held_out",
    ]  # fmt: skip


def test_the_digest_is_that_of_the_file(filled):
    snapshot = filled.freeze()
    data = filled.get(f"/snapshots/{snapshot['id']}/data", by="training")
    assert f"sha256:{hashlib.sha256(data.data).hexdigest()}" == snapshot["digest"]
    assert len(data.data) == data.content_length == snapshot["bytes"]
    assert data.content_type == "application/vnd.apache.parquet"


def test_freezing_the_same_again_gives_the_same_snapshot(filled):
    first = filled.freeze()
    filled.clock.pass_by(hours=1)
    again = filled.post("/snapshots")
    frozen_at = again.json["created_at"]
    assert (again.status_code, again.json | {"created_at": first["created_at"]}) == (200, first)
    assert datetime.fromisoformat(frozen_at) == filled.clock.at
    assert len(filled.get("/snapshots").json["items"]) == 1


def test_the_same_import_gives_the_same_digest_on_another_machine(filled, start, databases, tmp_path):
    first = filled.freeze()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    changed = {"database_url": databases.new(elsewhere), "snapshots_url": f"file://{elsewhere / 'snapshots'}"}
    other = start(filled.settings.model_copy(update=changed))
    other.import_lines(
        [
            {"text": "您的快递已到", "category": "transactional", "topic": "courier", "id": "2", "sender": "95588"},
            {"text": "加微信xm_8899看图，验证码339900", "category": "porn", "id": "1"},
        ]
    )
    assert other.freeze()["digest"] == first["digest"]


def test_a_snapshot_stays_as_it_is_when_reports_change(filled):
    first = filled.freeze()
    before = filled.rows(first["id"])
    filled.clock.pass_by(minutes=1)
    filled.import_lines([{"text": "又一条", "category": "gambling"}])
    second = filled.freeze()
    assert second["id"] != first["id"]
    assert filled.rows(first["id"]) == before
    assert filled.get("/snapshots/latest", by="training").json == second


def test_a_withdrawn_report_is_gone_from_later_snapshots(filled):
    made = filled.report("约吗，上门服务").json
    (report,) = filled.get("/reports?source=phones").json["items"]
    filled.post(f"/reports/{report['id']}/label", {"category": "porn"})
    first = filled.freeze()
    filled.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers={"X-Receipt-Secret": made["secret"]})
    second = filled.freeze()
    assert report["id"] in {row["report_id"] for row in filled.rows(first["id"])}
    assert report["id"] not in {row["report_id"] for row in filled.rows(second["id"])}
    assert second["reports"] == first["reports"] - 1


def test_what_was_frozen_last_is_the_latest_even_if_it_is_known(filled):
    """Otherwise a run on the latest snapshot would still read a report that was withdrawn since."""
    first = filled.freeze()
    filled.clock.pass_by(minutes=1)
    made = filled.report("约吗，上门服务").json
    (report,) = filled.get("/reports?source=phones").json["items"]
    filled.post(f"/reports/{report['id']}/label", {"category": "porn"})
    second = filled.freeze()
    filled.clock.pass_by(minutes=1)
    filled.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers={"X-Receipt-Secret": made["secret"]})
    assert filled.freeze()["id"] == first["id"] != second["id"]
    assert filled.get("/snapshots/latest", by="training").json["id"] == first["id"]


@pytest.mark.parametrize("is_known", [False, True])
def test_the_latest_is_what_was_frozen_last_even_if_the_clock_was_ahead_until_then(filled, is_known):
    first = filled.freeze()
    filled.clock.pass_by(days=365)
    (added,) = [filled.import_lines([{"text": "又一条", "category": "gambling", "id": "added"}])[-1]["accepted"]]
    ahead = filled.freeze()
    assert added == 1
    filled.clock.pass_by(days=-365, minutes=1)
    if is_known:
        with filled.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE reports SET category = NULL WHERE category = 'gambling'")
    else:
        filled.import_lines([{"text": "再来一条", "category": "gambling"}])
    last = filled.freeze()
    assert last["id"] != ahead["id"]
    assert (last["id"] == first["id"]) is is_known
    assert filled.get("/snapshots/latest", by="training").json == last
    assert filled.get("/snapshots").json["items"][0] == last


def test_without_labels_there_is_no_snapshot(ingestion):
    ingestion.report()
    answer = ingestion.post("/snapshots")
    assert answer.status_code == 409
    assert "label" in answer.json["detail"]
    assert ingestion.get("/snapshots/latest", by="training").status_code == 404


def test_with_one_category_there_is_no_snapshot(ingestion):
    ingestion.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "porn"}])
    answer = ingestion.post("/snapshots")
    assert answer.status_code == 409
    assert "one category" in answer.json["detail"]
    assert list(Path(ingestion.settings.snapshots_url).glob(".*")) == []


@pytest.mark.parametrize("path", ["/snapshots/0000", "/snapshots/latest", "/snapshots/..%2f..%2fkeys/data"])
def test_a_snapshot_that_is_not_there_is_not_found(ingestion, path):
    assert ingestion.get(path, by="training").status_code == 404


def test_what_a_killed_process_left_is_put_right(filled, tmp_path):
    snapshot = filled.freeze()
    folder = tmp_path / "snapshots"
    file = folder / f"{snapshot['id']}.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    (folder / f"{DRAFT}{int(filled.clock.at.timestamp())}-abcd").write_bytes(b"half")
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM snapshots")
    filled.clock.pass_by(hours=2)
    assert filled.freeze()["digest"] == snapshot["digest"]
    assert file.read_bytes() == whole
    assert list(folder.iterdir()) == [file]


def test_a_failure_while_writing_leaves_nothing(filled, monkeypatch, tmp_path):
    def fails(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshots, "_table", fails)
    answer = filled.post("/snapshots")
    assert answer.status_code == 507
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert filled.get("/snapshots").json["items"] == []


def test_rows_come_in_groups_of_a_fixed_size(ingestion, monkeypatch, tmp_path):
    monkeypatch.setattr(snapshots, "ROWS_AT_ONCE", 10)
    ingestion.import_lines(lines(25))
    snapshot = ingestion.freeze()
    metadata = pq.read_metadata(tmp_path / "snapshots" / f"{snapshot['id']}.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [10, 10, 5]


def test_all_reports_of_a_campaign_weigh_no_more_than_the_cap(ingestion):
    ingestion.import_lines(
        [{"text": "同一条广告", "id": str(n), "reporter": str(n), "category": "promotion"} for n in range(60)]
    )
    ingestion.import_lines(lines(3), source="two")
    ingestion.freeze()
    weights = [row["reporter_weight"] for row in ingestion.rows() if row["category"] == "promotion"]
    assert sum(weights) == pytest.approx(CAMPAIGN_CAP)
    assert {row["reporter_weight"] for row in ingestion.rows() if row["category"] != "promotion"} == {1.0}


def test_all_reports_of_a_reporter_weigh_no_more_than_the_cap(ingestion):
    ingestion.import_lines(lines(150, reporter="busy"))
    ingestion.import_lines(lines(150, text="早"), source="two")
    ingestion.freeze()
    busy = [row["reporter_weight"] for row in ingestion.rows() if row["source"] == "desk"]
    assert len(busy) == 150
    assert sum(busy) == pytest.approx(REPORTER_CAP)


def test_a_corpus_is_exempt_from_the_reporter_cap_and_has_a_weight(ingestion):
    ingestion.import_lines(lines(150), source_kind="corpus", weight=0.5)
    ingestion.freeze()
    assert {row["reporter_weight"] for row in ingestion.rows()} == {0.5}
    ingestion.import_lines([], source_kind="corpus", weight=0.25)
    lighter = ingestion.freeze()
    assert {row["reporter_weight"] for row in ingestion.rows(lighter["id"])} == {0.25}


def verified(campaign: int, reporter: str, kind: SourceKind = SourceKind.OPERATOR) -> VerifiedReport:
    return VerifiedReport(
        "id", "text", "fraud", None, campaign, "source", kind, 1.0, reporter, "en", datetime(2025, 1, 1, tzinfo=UTC),
        pattern=campaign, in_training=False, campaign_in_training=False,
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=200))
def test_both_caps_hold_for_any_reports(pairs):
    def counts(part: int):
        return {value: sum(pair[part] == value for pair in pairs) for value in {pair[part] for pair in pairs}}

    weights = Weights(counts(0), counts(1), reporter_cap=30.0)
    given_weights = [(campaign, reporter, weights.of(verified(campaign, reporter))) for campaign, reporter in pairs]
    for campaign in counts(0):
        assert sum(weight for one, _, weight in given_weights if one == campaign) <= CAMPAIGN_CAP * 1.000001
    for reporter in counts(1):
        assert sum(weight for _, one, weight in given_weights if one == reporter) <= 30.000001
    assert all(0 < weight <= 1 for *_, weight in given_weights)


def test_about_a_fifth_of_campaigns_is_held_out_for_ever():
    held_out = [f"{n:016x}" for n in range(10_000) if is_held_out(f"{n:016x}")]
    assert 0.18 < len(held_out) / 10_000 < 0.22
    assert [int(name, 16) for name in held_out[:5]] == [3, 7, 8, 13, 14]


def test_lines_with_one_hint_are_held_out_together(ingestion):
    ingestion.import_lines(
        [
            {"text": different(n), "id": f"{n}", "campaign": f"{n // 2}", "category": ("fraud", "transactional")[n % 2]}
            for n in range(40)
        ]
    )
    ingestion.freeze()
    by_campaign: dict[str, set[bool]] = {}
    for row in ingestion.rows():
        by_campaign.setdefault(row["campaign"], set()).add(row["held_out"])
    assert len(by_campaign) == 20
    assert all(len(flags) == 1 for flags in by_campaign.values())


def test_a_snapshot_can_lie_in_an_object_store(filled):
    folder = SnapshotFolder.at("memory://bucket/snapshots")
    snapshot, is_new = snapshots.freeze(filled.engine, folder, filled.clock.at)
    assert is_new
    content = b"".join(folder.read(snapshot.id))
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == snapshot.digest


def test_the_folder_is_made_where_it_is_missing(filled, tmp_path):
    filled.freeze()
    shutil.rmtree(tmp_path / "snapshots")
    filled.clock.pass_by(minutes=1)
    filled.import_lines([{"text": "又一条", "category": "gambling"}])
    filled.freeze()
    assert len(filled.rows()) == 3


def test_snapshots_are_listed_newest_first_in_pages(filled):
    made = [filled.freeze()]
    for n in range(3):
        filled.clock.pass_by(minutes=1)
        filled.import_lines([{"text": different(n), "category": "fraud"}])
        made.append(filled.freeze())
    first = filled.get("/snapshots?limit=3", by="training").json
    rest = filled.get("/snapshots", by="training", query_string={"limit": 3, "cursor": first["next_cursor"]}).json
    assert [*first["items"], *rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
