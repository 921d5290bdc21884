"""How the body of an import comes, in time and in pieces, and clients that leave in the middle of it."""

import io
import json

import httpx
import pytest
import structlog
from gunicorn.http.errors import ChunkMissingTerminator
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion import bulk
from services.ingestion.bulk import BATCH
from services.ingestion.lines import read_jsonl
from tests.ingestion.conftest import NDJSON
from tests.ingestion.imports import count_stored


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
    assert 'http_requests_total{method="POST",route="/v1/reports:import",status="400"} 1.0' in metrics
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
    """Nothing of the answer comes before the body has ended: nginx would hand on no more of the body."""
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
    assert max(sent_before_the_end) == 0
    assert answered > 100 * lines


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
