"""Bulk files of comma-separated values, as spreadsheets and people write them."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.lines import LineError, read_csv
from tests.ingestion.imports import ended, refusals


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


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@given(st.lists(st.tuples(cells, cells), max_size=8))
def test_what_a_spreadsheet_writes_as_csv_is_read_back(rows):
    quoted = "".join('"{}","{}"\n'.format(*(cell.replace('"', '""') for cell in row)) for row in rows)
    records = list(read_csv(io.BytesIO(b"text,id\n" + quoted.encode())))
    assert not any(isinstance(record.content, LineError) for record in records)
    assert [(record.content["text"], record.content["id"]) for record in records] == [
        tuple(cell.replace("\r\n", "\n") if "\r\n" in cell else cell for cell in row) for row in rows
    ]


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
