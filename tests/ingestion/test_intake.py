"""A phone's report, its receipt, and its withdrawal."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion import operations
from services.ingestion.reports import BadSenderError, Sender, SenderKind
from services.ingestion.senders import read_sender


def test_a_report_is_masked_before_it_is_stored(ingestion):
    answer = ingestion.report("【青禾】验证码482913，请勿泄露", sender="106900001234")
    assert answer.status_code == 201
    assert answer.json["report"]["text"] == "【青禾】验证码⟦code:6⟧，请勿泄露"
    assert answer.json["report"]["sender"] == {"kind": "short_code", "value": "106900001234"}
    (stored,) = ingestion.get("/reports").json["items"]
    assert stored["text"] == "【青禾】验证码⟦code:6⟧，请勿泄露"
    assert stored["status"] == "received"


def test_what_the_reporter_claims_is_no_label(ingestion):
    ingestion.report(category="porn", topic="code")
    (stored,) = ingestion.get("/reports").json["items"]
    assert (stored["claimed_category"], stored["claimed_topic"]) == ("porn", "code")
    assert (stored["category"], stored["topic"]) == (None, None)


def test_a_report_for_a_spouse_says_so(ingestion):
    assert ingestion.report(on_behalf_of="spouse").json["report"]["on_behalf_of"] == "spouse"
    assert ingestion.report(on_behalf_of="neighbour").status_code == 422


def test_without_consent_nothing_is_stored(ingestion):
    assert ingestion.report(consent=False).status_code == 422
    assert ingestion.get("/reports").json["items"] == []


def test_the_owner_sees_the_report_with_receipt_and_secret(ingestion):
    made = ingestion.report().json
    shown = ingestion.get(f"/reports/{made['receipt']}", by="phone", headers={"X-Receipt-Secret": made["secret"]})
    assert shown.status_code == 200
    assert shown.json == {**made["report"], "status": "received"}


@pytest.mark.parametrize("receipt", ["own", "0" * 32])
def test_a_wrong_secret_and_an_unknown_receipt_get_the_same_answer(ingestion, receipt):
    made = ingestion.report().json
    path = f"/reports/{made['receipt'] if receipt == 'own' else receipt}"
    for method in ("GET", "DELETE"):
        answer = ingestion.call(method, path, by="phone", headers={"X-Receipt-Secret": "guess"})
        assert answer.status_code == 404
        assert answer.json["type"] == "urn:quietline:problem:unknown-receipt"
    assert len(ingestion.get("/reports").json["items"]) == 1


def test_a_receipt_without_its_secret_is_refused(ingestion):
    assert ingestion.get(f"/reports/{ingestion.report().json['receipt']}", by="phone").status_code == 422


def test_a_withdrawn_report_is_gone_for_good(ingestion):
    made = ingestion.report("来找小美，加微信xm_8899").json
    assert len(ingestion.campaigns()) == 1
    proof = {"X-Receipt-Secret": made["secret"]}
    assert ingestion.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers=proof).status_code == 204
    assert ingestion.get("/reports").json["items"] == []
    assert ingestion.campaigns() == []
    assert ingestion.get(f"/reports/{made['receipt']}", by="phone", headers=proof).status_code == 410
    with ingestion.engine.connect() as connection:
        for table in ("reports", "receipts", "patterns", "bands", "campaigns"):
            assert "xm_8899" not in str(connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall())
        assert connection.exec_driver_sql("SELECT count(*) FROM bands").scalar() == 0


def test_withdrawing_twice_is_withdrawing_once(ingestion):
    made = ingestion.report().json
    for _ in range(2):
        answer = ingestion.call(
            "DELETE", f"/reports/{made['receipt']}", by="phone", headers={"X-Receipt-Secret": made["secret"]}
        )
        assert answer.status_code == 204


def test_a_repeat_under_the_same_key_gets_the_same_answer(ingestion):
    first = ingestion.report(key="key-00001")
    ingestion.clock.pass_by(minutes=5)
    again = ingestion.report(key="key-00001", received_at="2025-06-01T12:00:00+00:00")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert len(ingestion.get("/reports").json["items"]) == 1


def test_a_repeat_gets_the_same_answer_after_the_report_was_labelled(ingestion):
    first = ingestion.report(key="key-00001")
    (stored,) = ingestion.get("/reports").json["items"]
    ingestion.post(f"/reports/{stored['id']}/label", {"category": "personal"})
    assert ingestion.report(key="key-00001").json == first.json


def test_the_secret_of_a_repeat_opens_the_receipt(ingestion):
    ingestion.report(key="key-00001")
    again = ingestion.report(key="key-00001").json
    proof = {"X-Receipt-Secret": again["secret"]}
    assert ingestion.get(f"/reports/{again['receipt']}", by="phone", headers=proof).status_code == 200


def test_another_body_under_the_same_key_is_refused(ingestion):
    ingestion.report("一", key="key-00001")
    answer = ingestion.report("二", key="key-00001")
    assert answer.status_code == 409
    assert len(ingestion.get("/reports").json["items"]) == 1


def test_keys_of_two_holders_never_meet(ingestion):
    assert ingestion.report(key="key-00001").status_code == 201
    assert ingestion.report(key="key-00001", by="other phone").status_code == 201


def test_a_repeat_after_withdrawal_brings_nothing_back(ingestion):
    made = ingestion.report(key="key-00001").json
    proof = {"X-Receipt-Secret": made["secret"]}
    ingestion.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers=proof)
    assert ingestion.report(key="key-00001").status_code == 410
    assert ingestion.get("/reports").json["items"] == []


def test_repeats_that_come_at_the_same_time_get_one_report_and_one_answer(ingestion):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ingestion.report(key="key-00001"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert len(ingestion.get("/reports").json["items"]) == 1


def test_reports_that_come_at_the_same_time_are_all_kept(ingestion):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: ingestion.report(f"第{n}个人都收到的同一条广告，快来抢购吧"), range(40)))
    assert {answer.status_code for answer in answers} == {201}
    (campaign,) = ingestion.campaigns()
    assert campaign["reports"] == 40


def test_reports_are_grouped_when_somebody_looks(ingestion):
    for n in range(3):
        ingestion.report(f"第{n}次收到的同一条广告，快来抢购吧")
    with ingestion.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM campaigns").scalar() == 0
    assert [campaign["reports"] for campaign in ingestion.campaigns()] == [3]
    assert {item["campaign"] for item in ingestion.get("/reports").json["items"]} == {ingestion.campaigns()[0]["id"]}


def test_reports_are_grouped_after_a_while_though_nobody_looks(ingestion, monkeypatch):
    monkeypatch.setattr(operations, "PLACED_TOGETHER", 4)
    for n in range(9):
        ingestion.report(f"第{n}次收到的同一条广告，快来抢购吧")
    with ingestion.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT reports FROM campaigns").scalar() == 8


def test_a_report_that_is_withdrawn_before_it_is_grouped_leaves_nothing(ingestion):
    made = ingestion.report().json
    proof = {"X-Receipt-Secret": made["secret"]}
    assert ingestion.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers=proof).status_code == 204
    assert ingestion.campaigns() == []
    with ingestion.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM patterns").scalar() == 0


def test_reports_without_a_reporter_count_as_one_for_each_key(ingestion):
    for reporter in (None, None, "a", "b", "b"):
        ingestion.report(reporter=reporter)
    ingestion.report(by="other phone")
    (campaign,) = ingestion.campaigns()
    assert (campaign["reports"], campaign["reporters"]) == (6, 4)


@pytest.mark.parametrize(
    ("received_at", "status"),
    [
        ("2025-06-01T12:00:00Z", 201),
        ("2025-06-02T11:00:00Z", 201),
        ("2025-06-01T20:00:00+08:00", 201),
        ("2025-01-01T00:00:00Z", 201),
        ("2026-06-01T12:00:00Z", 422),
        ("2024-06-01T12:00:00Z", 422),
        ("1970-01-01T00:00:00Z", 422),
        ("0001-01-01T00:00:00+14:00", 422),
        ("9999-12-31T23:59:59-14:00", 422),
        ("2025-06-01T12:00:00", 422),
        ("yesterday", 422),
    ],
)
def test_a_clock_that_cannot_be_right_is_refused_in_words(ingestion, received_at, status):
    answer = ingestion.report(received_at=received_at)
    assert answer.status_code == status
    if status == 422:
        assert "received_at" in answer.json["detail"]


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("13800138000", "e164", "+8613800138000"),
        ("+86 138-0013-8000", "e164", "+8613800138000"),
        ("+44 7911 123456", "e164", "+447911123456"),
        ("(010) 6234 5678", "e164", "+861062345678"),
        ("95588", "short_code", "95588"),
        ("12306", "short_code", "12306"),
        ("1069000012345", "short_code", "1069000012345"),
        ("+861069000012345", "short_code", "1069000012345"),
        ("106" + "9" * 18, "short_code", "106" + "9" * 18),
        ("HSBC", "alphanumeric", "HSBC"),
        ("中国移动", "alphanumeric", "中国移动"),
        ("110", "alphanumeric", "110"),
        (" Mum ", "alphanumeric", "Mum"),
        ("x" * 32, "alphanumeric", "x" * 32),
    ],
)
def test_a_sender_is_told_by_its_kind(value, kind, read):
    assert read_sender(value) == Sender(SenderKind(kind), read)


@pytest.mark.parametrize("value", ["", "   ", "x" * 33, "a\nb", "\x07", "a\u200bb", "\u202e", "a\ud800"])
def test_a_sender_that_is_none_is_refused(value):
    with pytest.raises(BadSenderError):
        read_sender(value)


@given(st.text(max_size=40))
def test_reading_a_sender_again_changes_nothing(value):
    try:
        sender = read_sender(value)
    except BadSenderError:
        return
    assert read_sender(sender.value) == sender
