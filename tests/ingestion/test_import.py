"""Bulk files: of any size, in any state, and nothing of them is lost."""

import io

import pytest

from services.ingestion.lines import MAX_LINE_BYTES, read_jsonl
from tests.ingestion.conftest import NDJSON
from tests.ingestion.imports import GOOD, count_stored, ended, refusals


def test_every_line_is_accounted_for(ingestion):
    events = ingestion.import_bytes(
        b'{"text": "one"}\n\n{"text": ""}\nnonsense\n{"text": "one"}\n[1]\n{"body": "two", "label": "fraud"}'
    )
    assert events[-1] == ended(read=6, accepted=2, refused=3, duplicates=1, without_category=2)
    assert set(refusals(events)) == {3, 4, 6}
    assert all(event["problem"]["status"] == 422 for event in events if "line" in event)


def test_the_category_of_a_line_is_its_verified_label(ingestion):
    ingestion.import_lines([GOOD])
    (report,) = ingestion.get("/reports").json["items"]
    assert (report["category"], report["topic"], report["status"]) == ("transactional", "courier", "verified")
    assert report["labelled_by"] == "moderator"


@pytest.mark.parametrize("content_type", [NDJSON, "text/csv"])
def test_an_empty_category_is_none(ingestion, content_type):
    body = {NDJSON: b'{"text": "a", "category": "", "topic": ""}\n{"text": "b", "category": "", "label": "fraud"}'}
    body["text/csv"] = b"text,category,topic,label\na,,,\nb,,,fraud\n"
    events = ingestion.import_bytes(body[content_type], content_type=content_type)
    assert events == [ended(read=2, accepted=2, without_category=1)]


def test_categories_of_an_unlabelled_import_are_claims(ingestion):
    ingestion.import_lines([GOOD], labelled="false")
    (report,) = ingestion.get("/reports").json["items"]
    assert (report["category"], report["claimed_category"], report["status"]) == (None, "transactional", "received")


def test_importing_again_adds_nothing(ingestion):
    lines = [GOOD | {"id": "1"}, GOOD | {"text": "没有编号的一行"}, {"text": "只有正文"}]
    ingestion.import_lines(lines)
    ingestion.clock.pass_by(hours=1)
    again = ingestion.import_lines(lines)[-1]
    assert (again["accepted"], again["duplicates"]) == (0, 3)
    assert count_stored(ingestion) == 3


def test_lines_that_differ_only_in_what_is_masked_are_different_reports(ingestion):
    lines = [{"text": f"您的验证码是{code}"} for code in ("482913", "339900", "339900", "771020", "482913")]
    assert ingestion.import_lines(lines)[-1]["accepted"] == 4
    again = ingestion.import_lines(lines)[-1]
    assert (again["accepted"], again["duplicates"]) == (0, 5)
    assert count_stored(ingestion) == 4


def test_the_same_line_of_another_source_is_another_report(ingestion):
    ingestion.import_lines([GOOD | {"id": "1"}], source="one")
    assert ingestion.import_lines([GOOD | {"id": "1"}], source="two")[-1]["accepted"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        ("编码".encode("gb18030"), "not UTF-8"),
        (b'{"text": "' + b"a" * 10_000_000 + b'"}', "longer than"),
        (b'{"text": "a\\u0000b"}', "NUL"),
        (b'{"text": "a\\ud800b"}', "surrogate"),
        (b'{"text": "a", "sender": "\\ud800"}', "control characters"),
        (b'{"text": "a", "reporter": "\\u0000"}', "NUL"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"text": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001, "nested too deep"),
        (b'{"text": 7}', "text: must be text"),
        (b'{"text": ["a"]}', "text: must be text"),
        (b'{"text": "a", "category": "spam"}', "category: must be one of 'personal', 'transactional', "),
        (b'{"text": "a", "label": 7}', "label: must be one of 'personal', "),
        (b'{"text": "a", "topic": "weather"}', "topic: must be one of code, "),
        (b'{"text": "a", "received_at": "never"}', "received_at: must be a time, such as 2025-06-01T12:00:00+08:00"),
        (b'{"text": "a", "received_at": {}}', "received_at: must be a time, such as 2025-06-01T12:00:00+08:00"),
        (b'{"text": "a", "reporter": ""}', "reporter: must be 1 or more characters long"),
        (b'{"text": "a", "id": true}', "id: must be text"),
        (b'{"text": "a", "received_at": "2027-01-01T00:00:00Z"}', "future"),
        (b'{"text": "a", "received_at": "1970-01-01T00:00:00Z"}', "before 2000"),
        (b'{"text": "a", "received_at": "0001-01-01T00:00:00+14:00"}', "before 2000"),
        (b'{"text": "' + b"a" * 2001 + b'"}', "longer than 2000"),
        (b'{"text": "   "}', "empty"),
        (b'{"text": "a", "sender": ""}', "sender"),
        (b'{"sender": "95588"}', "text: is missing"),
        (b"null", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b"NaN", "no JSON object"),
        (b'{"text": "a"} trailing', "no JSON"),
    ],
    ids=range(29),
)
def test_a_bad_line_is_refused_alone_and_in_words(ingestion, line, words):
    events = ingestion.import_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    assert events[-1] == ended(read=3, accepted=2, refused=1, without_category=2)
    assert words in refusals(events)[2]
    assert not any(phrase in refusals(events)[2] for phrase in ("Input should", "Value error", "Field required"))


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(ingestion):
    assert ingestion.import_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n{"text": "two"}\r\n')[-1]["accepted"] == 2


def test_an_empty_file_is_an_import_of_nothing(ingestion):
    assert ingestion.import_bytes(b"") == [ended()]


def test_known_columns_and_those_that_stand_for_them_are_not_told(ingestion):
    line = {
        "body": "您好", "sender": "95588", "received_at": "2025-05-01T10:00:00Z", "label": "personal", "topic": "code",
        "reporter": "a", "id": "1", "campaign": "x",
    }  # fmt: skip
    assert ingestion.import_lines([line])[-1] == ended(read=1, accepted=1)


def test_lines_without_a_category_are_counted_whether_new_or_known(ingestion):
    lines = [GOOD, {"text": "没有类别"}, {"text": "也没有", "category": None}, {"text": "不行", "category": "spam"}]
    assert ingestion.import_lines(lines)[-1]["without_category"] == 2
    assert ingestion.import_lines(lines)[-1] == ended(read=4, duplicates=3, refused=1, without_category=2)


def test_names_of_unknown_columns_are_few_and_short(ingestion):
    line = {"text": "您好"} | {f"{'列' * n}": 1 for n in range(30, 60)}
    names = ingestion.import_lines([line] * 3)[-1]["unknown_columns"]
    assert names == [*("列" * n for n in range(30, 41))]
    many = {"text": "您好"} | {f"column {n}": 1 for n in range(30)}
    assert ingestion.import_lines([many])[-1]["unknown_columns"] == [f"column {n}" for n in range(20)]


def test_what_looks_like_no_name_is_not_repeated(ingestion):
    secrets = ["13912345678", "call 13912345678", "您好，加我微信", "[red]", "", "\x1b[31m", "a\nb"]
    assert ingestion.import_lines([{"text": "您好", name: 1} for name in secrets])[-1]["unknown_columns"] == [
        "(no name)"
    ]


def test_texts_that_were_taken_for_names_are_not_repeated(ingestion):
    events = ingestion.import_lines([{"今晚老地方见": "personal"}, {"您的快递已到": "transactional"}])
    assert events[-1] == ended(read=2, refused=2)
    assert "老地方" not in str(events)


def test_a_source_keeps_its_kind(ingestion):
    ingestion.import_lines([GOOD], source_kind="corpus")
    answer = ingestion.call("POST", "/reports:import?source=desk&source_kind=operator", data=b"", content_type=NDJSON)
    assert answer.status_code == 409


def test_a_line_of_the_longest_length_is_read_and_one_byte_more_is_not():
    for extra, fits in ((0, True), (1, False)):
        line = b'{"text": "' + b"a" * (MAX_LINE_BYTES - 12 + extra) + b'"}'
        (record,) = read_jsonl(io.BytesIO(line))
        assert isinstance(record.content, dict) == fits
