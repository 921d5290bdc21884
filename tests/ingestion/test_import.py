"""Bulk files: of any size, in any state, and nothing of them is lost."""

import io
import json

import httpx
import pytest
import structlog
from gunicorn.http.errors import ChunkMissingTerminator
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from services.ingestion import bulk
from services.ingestion.bulk import BATCH, EARLY_BYTES
from services.ingestion.lines import MAX_LINE_BYTES, LineError, read_csv, read_jsonl
from services.ingestion.store.tables import ReportRow
from shared.database import reading
from tests.ingestion.conftest import NDJSON

GOOD = {"text": "您的快递已到驿站，请及时领取", "category": "transactional", "topic": "courier"}


def refusals(events):
    return {event["line"]: event["problem"]["detail"] for event in events if "line" in event}


def ended(**tally):
    nothing = {"read": 0, "accepted": 0, "refused": 0, "duplicates": 0, "without_category": 0, "unknown_columns": []}
    return {"done": True} | nothing | tally


def count_stored(ingestion) -> int:
    with reading(ingestion.engine) as session:
        return session.scalar(select(func.count()).select_from(ReportRow)) or 0


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


def test_an_import_that_broke_off_is_finished_by_repeating_it(ingestion, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    lines = [{"text": f"第{'甲乙丙丁戊'[n]}条"} for n in range(5)]

    class Broken(io.BytesIO):
        def read(self, _size: int = -1) -> bytes:
            if self.tell() >= 3:
                raise OSError("the phone went into a tunnel")
            return json.dumps(lines[super().read(1)[0]]).encode() + b"\n"

    answer = ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=Broken(bytes(range(5))),
        content_type=NDJSON, environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    last = json.loads(answer.text.splitlines()[-1])
    assert last["done"] is False
    assert count_stored(ingestion) == 2
    finished = ingestion.import_lines(lines)[-1]
    assert (finished["accepted"], finished["duplicates"]) == (3, 2)


def test_a_cut_line_does_not_pass_for_a_whole_one(ingestion):
    body = b"text,id\nfirst,1\nhello wor"
    answer = ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=io.BytesIO(body), content_type="text/csv",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body) + 5)},
    )  # fmt: skip
    assert (answer.status_code, answer.json["type"]) == (400, "urn:quietline:problem:client-left")
    assert count_stored(ingestion) == 0


class Leaving(io.BytesIO):
    """A body whose sender is gone in the end; what gunicorn then raises is no OSError."""

    def read(self, _size: int | None = -1) -> bytes:
        line = self.readline()
        if not line:
            raise ChunkMissingTerminator(b"")
        return line


def import_until_gone(ingestion, body):
    return ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=Leaving(body), content_type=NDJSON,
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip


def test_a_client_that_leaves_at_once_is_no_fault_of_ours(ingestion, capfd):
    structlog.reset_defaults()
    answer = import_until_gone(ingestion, b'{"text": "one"}\n{"text": "two"}\n')
    assert (answer.status_code, answer.json["type"]) == (400, "urn:quietline:problem:client-left")
    logged = capfd.readouterr().out
    assert "client_left" in logged
    assert "error" not in logged
    metrics = ingestion.app.test_client().get("/metrics").text
    assert 'http_requests_total{endpoint="ingestion.import_reports",status="400"} 1.0' in metrics
    assert 'status="5' not in metrics
    assert count_stored(ingestion) == 0


def test_a_client_that_leaves_later_keeps_what_was_stored(ingestion, monkeypatch, capfd):
    structlog.reset_defaults()
    monkeypatch.setattr(bulk, "BATCH", 2)
    answer = import_until_gone(ingestion, b'{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n')
    last = json.loads(answer.text.splitlines()[-1])
    assert (last["done"], last["accepted"], last["problem"]["status"]) == (False, 2, 400)
    assert "same file again" in last["problem"]["detail"]
    logged = capfd.readouterr().out
    assert "client_left" in logged
    assert "error" not in logged
    assert count_stored(ingestion) == 2


def test_a_client_that_leaves_after_nothing_but_refusals_gets_the_end_of_its_answer(ingestion, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    events = [json.loads(line) for line in import_until_gone(ingestion, b"nonsense\n" * 3).text.splitlines()]
    assert [event.get("line") for event in events[:2]] == [1, 2]
    assert (events[-1]["done"], events[-1]["refused"]) == (False, 3)


def test_a_body_in_chunks_without_a_length_is_read_to_its_end(ingestion):
    answer = ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=io.BytesIO(b'{"text": "one"}\n{"text": "two"}\n'),
        content_type=NDJSON, environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    assert json.loads(answer.text.splitlines()[-1])["accepted"] == 2


def test_lines_are_sent_in_process_as_over_a_wire(ingestion):
    lines = (b'{"text": "line %d"}\n' % n for n in range(3))
    headers = {"Authorization": "Bearer moderator", "Content-Type": NDJSON}
    with httpx.Client(transport=httpx.WSGITransport(app=ingestion.app), base_url="http://ingestion") as client:
        answer = client.post("/v1/reports:import?source=desk", headers=headers, content=lines)
    assert json.loads(answer.text.splitlines()[-1])["accepted"] == 3


def test_a_body_whose_end_the_server_leaves_open_is_refused(ingestion):
    answer = ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=io.BufferedReader(io.BytesIO(b'{"text": "one"}\n')),
        content_type=NDJSON, environ_overrides={"CONTENT_LENGTH": ""},
    )  # fmt: skip
    assert answer.status_code == 411


def test_lines_are_stored_while_others_are_still_being_sent(ingestion):
    stored_when_read = []

    class Slow(io.BytesIO):
        sent = 0

        def read(self, _size: int | None = -1) -> bytes:
            stored_when_read.append(count_stored(ingestion))
            self.sent += 1
            block = b"".join(b'{"text": "x", "id": "%d %d"}\n' % (self.sent, n) for n in range(BATCH))
            return block if self.sent <= 3 else b""

    answer = ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=Slow(), content_type=NDJSON,
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert stored_when_read == [0, 2000, 4000, 6000]
    assert [event["accepted"] for event in events] == [2000, 4000, 6000, 6000]


def test_a_client_that_reads_only_after_sending_is_not_waited_for(ingestion):
    """All refusals come in the end, but hardly any of the answer before the body has ended."""
    lines = 6 * BATCH
    sent_before_the_end = []
    answered = 0

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            block = super().read(size)
            sent_before_the_end.append(answered)
            return block

    answer = ingestion.call(
        "POST", "/reports:import?source=desk", input_stream=Body(b"nonsense\n" * lines), content_type=NDJSON,
        environ_overrides={"wsgi.input_terminated": True}, buffered=False,
    )  # fmt: skip
    parts = []
    for block in answer.response:
        answered += len(block)
        parts.append(block)
    events = [json.loads(line) for line in b"".join(parts).splitlines()]
    assert sum("line" in event for event in events) == events[-1]["refused"] == lines
    assert max(sent_before_the_end) <= EARLY_BYTES
    assert answered > 10 * EARLY_BYTES


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


def test_csv_is_read_by_the_names_of_its_columns(ingestion):
    body = (
        "﻿Body,Sender,Label,received_at,unknown\r\n"
        '"您好，""贵宾""，\n请查收",95588,promotion,2025-05-01 10:00:00,x\r\n'
        "第二条,,,,\r\n"
    )
    events = ingestion.import_bytes(body.encode(), content_type="text/csv")
    assert events[-1]["accepted"] == 2
    reports = {item["text"]: item for item in ingestion.get("/reports").json["items"]}
    assert reports['您好，"贵宾"，\n请查收']["category"] == "promotion"
    assert reports['您好，"贵宾"，\n请查收']["received_at"] == "2025-05-01T10:00:00Z"
    assert reports["第二条"]["sender"] is None


def test_a_misspelt_column_is_told(ingestion):
    body = "text,categroy\n第一条,fraud\n第二条,porn\n".encode()
    last = ingestion.import_bytes(body, content_type="text/csv")[-1]
    assert last == ended(read=2, accepted=2, without_category=2, unknown_columns=["categroy"])


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


def test_an_open_quote_swallows_no_line(ingestion):
    body = b'text,id\n"open,1\nfine,2\n"also ""fine""",3\n' + b"x,4\n" * 30_000
    events = ingestion.import_bytes(body, content_type="text/csv")
    assert refusals(events) == {2: "A quote is opened and never closed."}
    assert events[-1]["read"] == 30_003


@pytest.mark.parametrize(
    "body", [b"", b"a,b\n1,2\n", b"\xff\xff\n", b'"\n', b"x" * 100_000, b"\rtext\ra", b'"text"x\n']
)
def test_csv_without_a_column_of_text_is_refused_as_a_whole(ingestion, body):
    answer = ingestion.call("POST", "/reports:import?source=desk", data=body, content_type="text/csv")
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(("row", "words"), [(b"a,b,c", "more cells"), (b'"a"b,c', "no CSV"), (b"\xff,b", "not UTF-8")])
def test_a_bad_row_is_refused_alone_and_in_words(ingestion, row, words):
    events = ingestion.import_bytes(b"text,id\nbefore,1\n" + row + b"\nafter,2\n", content_type="text/csv")
    assert events[-1]["accepted"] == 2
    assert words in refusals(events)[3]


@pytest.mark.parametrize(
    ("query", "content_type", "status"),
    [
        ({}, NDJSON, 422),
        ({"source": "../etc"}, NDJSON, 422),
        ({"source": "a" * 61}, NDJSON, 422),
        ({"source": "a", "source_kind": "friend"}, NDJSON, 422),
        ({"source": "a", "format": "xml"}, NDJSON, 422),
        ({"source": "a", "weight": "0"}, NDJSON, 422),
        ({"source": "a", "weight": "nan"}, NDJSON, 422),
        ({"source": "a"}, "application/octet-stream", 415),
        ({"source": "a"}, None, 415),
    ],
)
def test_a_request_that_does_not_fit_is_refused_before_anything_is_read(ingestion, query, content_type, status):
    answer = ingestion.call(
        "POST", "/reports:import", query_string=query, data=b'{"text": "a"}\n', content_type=content_type
    )
    assert answer.status_code == status
    assert count_stored(ingestion) == 0


def test_a_compressed_body_is_refused(ingestion):
    answer = ingestion.call(
        "POST", "/reports:import?source=a", data=b"\x1f\x8b", content_type=NDJSON, headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 415


def test_a_source_keeps_its_kind(ingestion):
    ingestion.import_lines([GOOD], source_kind="corpus")
    answer = ingestion.call("POST", "/reports:import?source=desk&source_kind=operator", data=b"", content_type=NDJSON)
    assert answer.status_code == 409


blocks = st.lists(st.binary(max_size=6) | st.sampled_from([b"\n", b'{"text": "a"}', b"\r\n"]), max_size=12).map(
    b"".join
)


class InPieces(io.BytesIO):
    """A body that comes a few bytes at a time."""

    def read(self, _size: int | None = -1) -> bytes:
        return super().read(3)


@given(blocks)
def test_how_the_body_is_cut_does_not_matter(body):
    def seen(stream):
        return [(record.line, str(record.content)) for record in read_jsonl(stream)]

    assert seen(InPieces(body)) == seen(io.BytesIO(body))


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@given(st.lists(st.tuples(cells, cells), max_size=8))
def test_what_a_spreadsheet_writes_as_csv_is_read_back(rows):
    quoted = "".join('"{}","{}"\n'.format(*(cell.replace('"', '""') for cell in row)) for row in rows)
    records = list(read_csv(io.BytesIO(b"text,id\n" + quoted.encode())))
    assert not any(isinstance(record.content, LineError) for record in records)
    assert [(record.content["text"], record.content["id"]) for record in records] == [
        tuple(cell.replace("\r\n", "\n") if "\r\n" in cell else cell for cell in row) for row in rows
    ]


def test_a_line_of_the_longest_length_is_read_and_one_byte_more_is_not():
    for extra, fits in ((0, True), (1, False)):
        line = b'{"text": "' + b"a" * (MAX_LINE_BYTES - 12 + extra) + b'"}'
        (record,) = read_jsonl(io.BytesIO(line))
        assert isinstance(record.content, dict) == fits


def test_a_quote_inside_a_plain_cell_opens_nothing():
    body = 'text,category\nhe is 5" tall ok,personal\nmiddle row here,personal\nscreen 6" wide,promotion\n'
    assert [record.content["text"] for record in read_csv(io.BytesIO(body.encode()))] == [
        'he is 5" tall ok',
        "middle row here",
        'screen 6" wide',
    ]


def test_a_quote_that_is_never_closed_swallows_no_labelled_row():
    body = 'text,category\n"abc unclosed,porn\nfirst good,personal\nsecond good,personal\nfoo",fraud\n'
    refused, first, second, last = read_csv(io.BytesIO(body.encode()))
    assert isinstance(refused.content, LineError)
    assert (refused.line, first.content["text"], second.content["text"]) == (2, "first good", "second good")
    assert last.line == 5
