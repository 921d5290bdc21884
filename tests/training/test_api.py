"""What callers of the training service are promised."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from dbos import DBOSClient
from sqlalchemy import Engine, event

from services.training import runs, store
from services.training.artifacts import RunFolder
from services.training.events import stream_events
from services.training.recipe import Recipe
from services.training.runs import Progress, State, Step
from services.training.settings import Settings
from services.training.workflow import APPLICATION, QUEUE, VERSION
from shared.database import reading, writing
from tests.training.conftest import MOMENT, Training
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze
from tests.training.workers import ask_for, show_life


@pytest.fixture(autouse=True)
def snapshot(ingestion: FakeIngestion) -> None:
    ingestion.add(freeze())


def change(engine: Engine, run_id: str, *moves: object) -> None:
    for move in moves:
        with writing(engine) as session:
            store.change_run(session, run_id, move)  # type: ignore[arg-type]


def read_events(text: str) -> list[tuple[int, str, dict[str, object]]]:
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return [(int(block["id"]), block["event"], json.loads(block["data"])) for block in blocks if "id" in block]


def test_a_run_is_queued_and_told(training: Training) -> None:
    answer = training.post("/runs", {"snapshot": "latest", "recipe": {"iterations": 7, "wanted": {"normal": 0.012}}})
    assert answer.status_code == 202
    run = answer.json
    assert run["state"] == "queued"
    assert run["requested_by"] == "trainer"
    assert run["created_at"] == "2025-06-01T12:00:30.000500Z"
    assert run["recipe"]["iterations"] == 7
    assert run["recipe"]["wanted"] == Recipe().document()["wanted"] | {"normal": 0.012}
    assert run["recipe"]["folds"] == Recipe().folds
    assert training.get(f"/runs/{run['id']}").json == run
    client = DBOSClient(system_database_url=training.settings.dbos_database_url, application_name=APPLICATION)
    workflow = client.retrieve_workflow(run["id"]).get_status()
    client.destroy()
    assert (workflow.status, workflow.queue_name, workflow.app_version) == ("ENQUEUED", QUEUE, VERSION)


def test_a_body_may_be_empty_of_wishes(training: Training) -> None:
    run = training.post("/runs", {}).json
    assert run["snapshot"] == "latest"
    assert run["recipe"] == Recipe().document()


def test_the_same_request_under_the_same_key_is_one_run(training: Training) -> None:
    headers = {"Idempotency-Key": "once"}
    first = training.post("/runs", {"recipe": {"folds": 4}}, headers=headers)
    again = training.post("/runs", {"recipe": {"folds": 4}}, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json == again.json
    other = training.post("/runs", {"recipe": {"folds": 5}}, headers=headers)
    assert other.status_code == 409
    assert other.json["type"] == "urn:quietline:problem:key-was-used"
    someone_else = training.post("/runs", {"recipe": {"folds": 5}}, headers=headers, by="other trainer")
    assert someone_else.status_code == 202
    assert len(training.get("/runs").json["items"]) == 2


def test_two_requests_at_once_under_the_same_key_are_one_run(training: Training) -> None:
    """The second one stores its run between the first one's look and its own store."""
    headers = {"Idempotency-Key": "race"}
    waiting = [True]

    @event.listens_for(training.app.extensions["engine"], "commit")
    def overtake(_connection: object) -> None:
        if waiting.pop() if waiting else False:
            waiting_answers.append(training.post("/runs", {}, headers=headers))

    waiting_answers: list[object] = []
    slow = training.post("/runs", {}, headers=headers)
    event.remove(training.app.extensions["engine"], "commit", overtake)
    assert slow.json["id"] == waiting_answers[0].json["id"]  # type: ignore[attr-defined]
    assert len(training.get("/runs").json["items"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"recipe": {"speed": 9}},
        {"recipe": {"folds": 1}},
        {"recipe": {"wanted": {"normal": 2}}},
        {"recipe": []},
        {"snapshot": ""},
        {"snapshot": 7},
        {"snapshot": "../../etc/passwd"},
        {"snapshots": "latest"},
        {"snapshot": "x" * 101},
    ],
)
def test_what_does_not_fit_is_refused_in_words_and_queues_nothing(training: Training, body: dict[str, object]) -> None:
    answer = training.post("/runs", body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["detail"]
    assert training.get("/runs").json["items"] == []


@pytest.mark.parametrize(
    ("recipe", "where", "why"),
    [
        ({"加薇 13800138000": 1}, "recipe", "holds a member that is not known"),
        ({"wanted": {"加薇 13800138000": 1}}, "recipe.wanted", "holds a member that is not known"),
        (5, "recipe", "must be an object"),
    ],
)
def test_what_is_no_recipe_is_told_without_what_was_sent(
    training: Training, recipe: object, where: str, why: str
) -> None:
    answer = training.post("/runs", {"recipe": recipe})
    assert answer.json["faults"] == [{"where": where, "why": why}]
    assert "13800138000" not in answer.text


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 400), (b"{", 400), (b"[" * 60_000, 400), (b"[]", 422), (b'{"snapshot": "\\u0000"}', 422),
     (b'{"snapshot": "\\ud800"}', 422), (b"x" * 1_000_000, 413)],
)  # fmt: skip
def test_bad_bodies_get_a_clear_problem(training: Training, data: bytes, status: int) -> None:
    answer = training.call("POST", "/runs", data=data, content_type="application/json")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_a_snapshot_that_ingestion_does_not_have_is_refused_at_once(
    training: Training, ingestion: FakeIngestion
) -> None:
    answer = training.post("/runs", {"snapshot": "unheard-of"})
    assert answer.status_code == 422
    assert answer.json["type"] == "urn:quietline:problem:unknown-snapshot"
    ingestion.snapshots.clear()
    assert "POST /ingestion/v1/snapshots" in training.post("/runs", {}).json["detail"]


def test_a_run_is_taken_even_if_ingestion_does_not_answer_now(training: Training, ingestion: FakeIngestion) -> None:
    ingestion.failures = 1
    assert training.post("/runs", {}).status_code == 202


def test_a_run_is_taken_even_if_it_cannot_be_queued_now(training: Training, settings: Settings) -> None:
    """The worker finds and queues it."""
    queue = training.app.extensions["queue"]._sys_db.engine
    with queue.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE workflow_status RENAME TO elsewhere") if "sqlite" in str(
            settings.dbos_database_url
        ) else connection.exec_driver_sql("ALTER TABLE dbos.workflow_status RENAME TO elsewhere")
    answer = training.post("/runs", {})
    assert answer.status_code == 202
    assert training.get(f"/runs/{answer.json['id']}").json["state"] == "queued"


@pytest.mark.parametrize(
    ("by", "method", "path", "status"),
    [
        (None, "GET", "/runs", 401),
        ("nobody", "GET", "/runs", 401),
        ("phone", "GET", "/runs", 403),
        ("publisher", "GET", "/runs", 200),
        ("publisher", "POST", "/runs", 403),
        ("publisher", "POST", "/runs/x/cancel", 403),
        (None, "GET", "/runs/x/report", 401),
        ("phone", "GET", "/runs/x/model", 403),
        ("phone", "GET", "/runs/x/events", 403),
    ],
)
def test_only_those_who_may_are_let_in(training: Training, by: str | None, method: str, path: str, status: int) -> None:
    answer = training.call(method, path, by=by, **({"json": {}} if method == "POST" else {}))
    assert answer.status_code == status


def test_runs_are_listed_page_by_page_newest_first(training: Training, engine: Engine) -> None:
    made = [ask_for(engine) for _ in range(5)]
    change(engine, made[0], lambda run: runs.cancel(run, MOMENT))
    found: list[str] = []
    cursor = None
    while True:
        page = training.get("/runs", query_string={"limit": 2} | ({"cursor": cursor} if cursor else {})).json
        found += [run["id"] for run in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sorted(made, reverse=True)
    cancelled = training.get("/runs", query_string={"state": "cancelled"}).json["items"]
    assert [run["id"] for run in cancelled] == [made[0]]


@pytest.mark.parametrize("cursor", ["nonsense", "WzFd", "WyJ5ZXN0ZXJkYXkiLCAiYSJd", "WyIyMDI1LTAxLTAxIiwgImEiXQ=="])
def test_a_cursor_that_is_none_is_refused(training: Training, cursor: str) -> None:
    answer = training.get("/runs", query_string={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json["type"] == "urn:quietline:problem:bad-cursor"


def test_a_run_is_cancelled_once_and_an_ended_one_is_not(training: Training, engine: Engine) -> None:
    run_id = ask_for(engine)
    first = training.post(f"/runs/{run_id}/cancel")
    assert (first.status_code, first.json["state"]) == (200, "cancelled")
    assert training.post(f"/runs/{run_id}/cancel").json == first.json
    ended = ask_for(engine)
    change(engine, ended, lambda run: runs.succeed(run, "20250601-120030-aaaaaaaa", MOMENT))
    refused = training.post(f"/runs/{ended}/cancel")
    assert refused.status_code == 409
    assert "succeeded" in refused.json["detail"]


@pytest.mark.parametrize("path", ["", "/events", "/report", "/evaluation", "/model"])
def test_an_unknown_run_has_nothing(training: Training, path: str) -> None:
    answer = training.get(f"/runs/{'0' * 32}{path}")
    assert answer.status_code == 404
    assert answer.json["type"] == "urn:quietline:problem:unknown-run"


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("report", "report.html", "text/html; charset=utf-8"),
        ("evaluation", "evaluation.json", "application/json"),
        ("model", "model.onnx", "application/octet-stream"),
    ],
)
def test_results_are_given_once_they_are_made(
    training: Training, engine: Engine, path: str, name: str, kind: str
) -> None:
    run_id = ask_for(engine)
    early = training.get(f"/runs/{run_id}/{path}")
    assert early.status_code == 404
    assert early.json["type"] == "urn:quietline:problem:not-made-yet"
    RunFolder(training.settings.runs_url, run_id).write(name, b"content")
    answer = training.get(f"/runs/{run_id}/{path}")
    assert (answer.data, answer.content_type) == (b"content", kind)
    if path == "report":
        assert "script" not in answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def ended_run(engine: Engine) -> str:
    run_id = ask_for(engine)
    change(
        engine,
        run_id,
        runs.start,
        lambda run: runs.advance(run, Progress(Step.FIT, 1, 4, "loss 0.5")),
        lambda run: runs.advance(run, Progress(Step.FIT, 4, 4)),
        lambda run: runs.cancel(run, MOMENT),
    )
    return run_id


def test_events_of_an_ended_run_are_all_there_and_the_stream_ends(training: Training, engine: Engine) -> None:
    answer = training.get(f"/runs/{ended_run(engine)}/events")
    assert answer.mimetype == "text/event-stream"
    told = read_events(answer.text)
    assert [number for number, _, _ in told] == [1, 2, 3, 4, 5, 6]
    assert [kind for _, kind, _ in told] == ["state", "state", "progress", "progress", "state", "end"]
    assert told[2][2] == {"step": "fit", "done": 1, "total": 4, "note": "loss 0.5"}
    assert told[-1][2]["state"] == "cancelled"


def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(training: Training, engine: Engine) -> None:
    run_id = ended_run(engine)
    whole = read_events(training.get(f"/runs/{run_id}/events").text)
    for seen in range(len(whole)):
        rest = read_events(training.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": str(seen)}).text)
        assert rest == whole[seen:]
    done = training.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": str(len(whole))})
    assert (done.status_code, done.data) == (204, b""), "an EventSource stops at 204"


@pytest.mark.parametrize("last_event_id", ["x", "-1", "٣", "", "9" * 20])
def test_a_strange_event_id_does_no_harm(training: Training, engine: Engine, last_event_id: str) -> None:
    answer = training.get(f"/runs/{ended_run(engine)}/events", headers={"Last-Event-ID": last_event_id})
    assert answer.status_code in {200, 204}


def test_a_stream_waits_for_what_is_still_to_come(engine: Engine) -> None:
    run_id = ask_for(engine)
    moves: Iterator[object] = iter([runs.start, lambda run: runs.cancel(run, MOMENT)])
    told = "".join(stream_events(engine, run_id, 0, pause=lambda _: change(engine, run_id, next(moves))))
    assert [kind for _, kind, _ in read_events(told)] == ["state", "state", "state", "end"]


def test_a_silent_stream_shows_that_it_lives(engine: Engine) -> None:
    run_id = ask_for(engine)
    time = [0.0]

    def pause(_seconds: float) -> None:
        time[0] += 10.0
        if time[0] > 50.0:
            change(engine, run_id, lambda run: runs.cancel(run, MOMENT))

    told = "".join(stream_events(engine, run_id, 0, pause=pause, clock=lambda: time[0]))
    assert told.count(": still here") >= 2


def test_a_locked_database_is_a_503_that_asks_to_come_again(training: Training, settings: Settings) -> None:
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("only SQLite locks the whole database")
    engine = training.app.extensions["engine"]

    @event.listens_for(engine, "connect")
    def be_impatient(connection: object, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=20")  # type: ignore[attr-defined]

    engine.dispose()
    with training.engine.connect() as other:
        other.exec_driver_sql("SELECT 1")  # begins immediately, and so keeps others from writing
        answer = training.post("/runs", {})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert training.post("/runs", {}).status_code == 202


def test_a_full_database_is_a_507(training: Training, settings: Settings) -> None:
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("the quota is SQLite's")
    engine = training.app.extensions["engine"]

    @event.listens_for(engine, "connect")
    def limit(connection: object, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=1")  # type: ignore[attr-defined]

    engine.dispose()
    answers = [training.post("/runs", {}) for _ in range(60)]
    assert answers[-1].status_code == 507
    assert answers[-1].content_type == "application/problem+json"


def test_readiness_tells_of_tables_that_are_not_at_head(training: Training, engine: Engine) -> None:
    show_life(engine)
    assert training.app.test_client().get("/readyz").status_code == 200
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    answer = training.app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "head" in answer.json["detail"]


def test_every_run_state_has_a_document_that_fits_the_api(training: Training, engine: Engine) -> None:
    for state in State:
        run_id = ask_for(engine)
        with writing(engine) as session:
            store.change_run(session, run_id, lambda run, state=state: replace(run, state=state))  # type: ignore[misc]
        assert training.get(f"/runs/{run_id}").json["state"] == state
    with reading(engine) as session:
        assert len(store.list_runs(session, 100)) == len(State)
