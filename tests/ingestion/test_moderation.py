"""What moderators see and say."""

import pytest

from shared.web import encode_cursor


def test_a_label_verifies_a_report(ingestion):
    ingestion.report()
    (report,) = ingestion.get("/reports").json["items"]
    answer = ingestion.post(f"/reports/{report['id']}/label", {"category": "transactional", "topic": "courier"})
    assert answer.status_code == 200
    labelled = answer.json
    assert (labelled["status"], labelled["category"], labelled["topic"]) == ("verified", "transactional", "courier")
    assert labelled["labelled_by"] == "moderator"
    assert ingestion.get("/labels/count", by="training").json == {"verified": 1}


def test_a_later_label_replaces_the_earlier(ingestion):
    ingestion.report()
    (report,) = ingestion.get("/reports").json["items"]
    ingestion.post(f"/reports/{report['id']}/label", {"category": "transactional", "topic": "courier"})
    labelled = ingestion.post(f"/reports/{report['id']}/label", {"category": "fraud"}).json
    assert (labelled["category"], labelled["topic"]) == ("fraud", None)


def test_a_report_that_is_not_there_cannot_be_labelled(ingestion):
    assert ingestion.post("/reports/0000/label", {"category": "fraud"}).status_code == 404


@pytest.mark.parametrize(
    "label", [{"category": "spam"}, {"category": "fraud", "topic": "weather"}, {}, {"category": 7}]
)
def test_an_unknown_label_is_refused(ingestion, label):
    ingestion.report()
    (report,) = ingestion.get("/reports").json["items"]
    assert ingestion.post(f"/reports/{report['id']}/label", label).status_code == 422
    assert ingestion.get("/labels/count", by="training").json == {"verified": 0}


def test_pages_hold_every_report_once_newest_first(ingestion):
    ingestion.import_lines([{"text": f"消息{'甲乙丙丁戊己庚'[n]}", "id": str(n)} for n in range(5)])
    ingestion.clock.pass_by(seconds=1)
    ingestion.import_lines([{"text": "后来的消息", "id": "later"}])
    seen, cursor = [], ""
    while cursor is not None:
        page = ingestion.get("/reports", query_string={"limit": 2} | ({"cursor": cursor} if cursor else {})).json
        seen += [item["id"] for item in page["items"]]
        assert len(page["items"]) <= 2
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 6
    assert seen == [item["id"] for item in ingestion.get("/reports").json["items"]]
    assert ingestion.get("/reports").json["items"][0]["text"] == "后来的消息"


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA==", "W10=", "WyJhIiwgMV0=", "W1tbW1tbW1tbW1tbW1s="])
@pytest.mark.parametrize("path", ["/reports", "/campaigns", "/snapshots"])
def test_a_cursor_that_is_not_ours_is_refused(ingestion, path, cursor):
    assert ingestion.get(path, query_string={"cursor": cursor}).status_code == 400


@pytest.mark.parametrize("number", [2**31 - 1, -(2**31) + 1, 0])
def test_a_cursor_beyond_all_rows_gives_a_page(ingestion, number):
    ingestion.report()
    for path, cursor in (("/reports", [number]), ("/campaigns", [number, "0" * 16])):
        page = ingestion.get(path, query_string={"cursor": encode_cursor(cursor)}).json
        assert len(page["items"]) == (1 if number > 0 else 0)


def test_filters_narrow_the_list(ingestion):
    ingestion.import_lines(
        [
            {"text": "加微信看图片", "category": "porn", "id": "1"},
            {"text": "您的快递到了", "category": "transactional", "id": "2"},
            {"text": "100%中奖_快来", "id": "3"},
        ],
        source="one",
    )
    ingestion.import_lines([{"text": "明天一起吃饭吗", "id": "4"}], source="two")

    def texts(**query):
        return {item["text"] for item in ingestion.get("/reports", query_string=query).json["items"]}

    assert texts(category="porn") == {"加微信看图片"}
    assert texts(status="received") == {"100%中奖_快来", "明天一起吃饭吗"}
    assert texts(status="verified", source="one") == {"加微信看图片", "您的快递到了"}
    assert texts(source="two") == {"明天一起吃饭吗"}
    assert texts(q="%中") == {"100%中奖_快来"}
    assert texts(q="_") == {"100%中奖_快来"}
    (report,) = [item for item in ingestion.get("/reports").json["items"] if item["text"] == "明天一起吃饭吗"]
    assert texts(campaign=report["campaign"]) == {"明天一起吃饭吗"}
    assert texts(campaign="0" * 16) == set()


def test_a_campaign_tells_who_reported_it_and_what_it_is(ingestion):
    spam = "您好我是某某健身房的小李，最近店庆办卡送两个月私教课，名额有限，需要了解可以回复一"
    for reporter in ("a", "b", "b"):
        ingestion.report(spam, reporter=reporter)
    first = ingestion.get("/reports").json["items"][0]
    ingestion.post(f"/reports/{first['id']}/label", {"category": "promotion"})
    (campaign,) = ingestion.campaigns()
    assert (campaign["reports"], campaign["reporters"], campaign["by_category"]) == (3, 2, {"promotion": 1})
    assert campaign["example"] == spam
    assert ingestion.get(f"/campaigns/{campaign['id']}").json == campaign


@pytest.mark.parametrize("name", ["0" * 16, "nonsense", "ffffffffffffffff"])
def test_a_campaign_that_is_not_there_is_not_found(ingestion, name):
    assert ingestion.get(f"/campaigns/{name}").status_code == 404


def test_campaigns_are_listed_the_largest_first(ingestion):
    ingestion.import_lines(
        [{"text": "甲乙丙丁"[n] * 5, "id": f"{n} {copy}"} for n in range(4) for copy in range(n + 1)]
    )
    assert [campaign["reports"] for campaign in ingestion.campaigns()] == [4, 3, 2, 1]
    first = ingestion.get("/campaigns?limit=1").json
    second = ingestion.get("/campaigns", query_string={"limit": 1, "cursor": first["next_cursor"]}).json
    assert [*first["items"], *second["items"]] == ingestion.campaigns()[:2]


@pytest.mark.parametrize(
    ("method", "path", "by"),
    [
        ("GET", "/reports", "phone"),
        ("GET", "/campaigns", "training"),
        ("POST", "/reports/0/label", "phone"),
        ("POST", "/reports:import?source=a", "phone"),
        ("POST", "/snapshots", "training"),
        ("GET", "/snapshots/latest/data", "moderator"),
        ("GET", "/labels/count", "phone"),
        ("POST", "/reports", "moderator"),
    ],
)
def test_a_key_without_the_scope_is_refused(ingestion, method, path, by):
    assert ingestion.call(method, path, by=by).status_code == 403
    assert ingestion.call(method, path, by="nobody").status_code == 401
    assert ingestion.call(method, path, headers={"Authorization": ""}).status_code == 401
