"""What the command line does when the suite is busy or breaks off: nothing twice, and nothing given up too soon."""

from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from services.client import PATIENCE, SuiteClient, SuiteError

RUN = "/training/v1/runs"
EVENTS = (
    'id: 1\nevent: state\ndata: {"n": 1}\n\n',
    'id: 2\nevent: progress\ndata: {"n": 2}\n\n',
    'id: 3\nevent: end\ndata: {"n": 3}\n\n',
)

Answer = Callable[[httpx.Request], httpx.Response]


class Suite:
    """A suite that answers as it is told, one answer after the other, while time passes only when somebody waits."""

    def __init__(self, *answers: Answer | httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.seconds = 0.0
        self.client = SuiteClient("http://suite", "ql_key", pause=self.wait, clock=lambda: self.seconds)
        self.client._http = httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://suite")

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, httpx.Response) else answer(request)


def busy(seconds: int = 1, status: int = 503) -> httpx.Response:
    return httpx.Response(status, json={"title": "Busy", "detail": "wait"}, headers={"Retry-After": str(seconds)})


def fine() -> httpx.Response:
    return httpx.Response(200, json={"id": "r1"})


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("cut", request=request)


def refused_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody", request=request)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_suite_is_asked_again_and_not_sooner_than_it_asks(status: int) -> None:
    suite = Suite(busy(3, status), busy(3, status), fine())
    assert suite.client.get("/x") == {"id": "r1"}
    assert suite.seconds >= 6


def test_a_suite_that_stays_busy_is_given_up_in_its_own_words() -> None:
    suite = Suite(busy())
    with pytest.raises(SuiteError, match="Busy: wait"):
        suite.client.get("/x")
    assert PATIENCE.seconds <= suite.seconds <= PATIENCE.seconds + 10


def test_what_is_refused_is_not_asked_twice() -> None:
    suite = Suite(httpx.Response(507, json={"title": "Full"}), fine())
    with pytest.raises(SuiteError, match="Full"):
        suite.client.get("/x")
    assert len(suite.requests) == 1


@pytest.mark.parametrize("failure", [busy(), lost])
def test_what_must_not_happen_twice_is_sent_once(failure: Answer | httpx.Response) -> None:
    suite = Suite(fine(), failure, fine())
    suite.client.get("/x")
    with pytest.raises(SuiteError):
        suite.client.post("/registry/v1/channels/stable/rollback")
    assert len(suite.requests) == 2


@pytest.mark.parametrize("failure", [busy(), lost, refused_connection])
def test_what_the_suite_recognises_is_sent_again_under_the_same_key(failure: Answer | httpx.Response) -> None:
    suite = Suite(fine(), failure, failure, fine())
    suite.client.get("/x")
    assert suite.client.post(RUN, {"snapshot": "latest"}, repeatable=True) == {"id": "r1"}
    keys = [request.headers["Idempotency-Key"] for request in suite.requests[1:]]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_two_requests_never_share_a_key() -> None:
    suite = Suite(fine())
    for _ in range(2):
        suite.client.post(RUN, {}, repeatable=True)
    assert len({request.headers["Idempotency-Key"] for request in suite.requests}) == 2


def test_a_request_that_was_never_sent_is_harmless_to_send() -> None:
    suite = Suite(fine(), refused_connection, fine())
    suite.client.get("/x")
    assert suite.client.post("/registry/v1/channels/stable/rollback") == {"id": "r1"}


def test_a_suite_that_was_never_there_is_not_waited_for() -> None:
    suite = Suite(refused_connection)
    with pytest.raises(SuiteError, match="quietline up"):
        suite.client.get("/x")
    assert suite.seconds == 0


def stream(*events: str) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        def parts() -> Iterator[bytes]:
            yield b"retry: 1000\n\n"
            yield from (event.encode() for event in events)
            if "end" not in "".join(events):
                raise httpx.ReadError("cut", request=request)

        return httpx.Response(200, content=parts())

    return answer


def test_a_run_is_followed_to_its_end_through_breaks_and_nothing_is_told_twice() -> None:
    suite = Suite(stream(EVENTS[0]), busy(), refused_connection, stream(), stream(*EVENTS[1:]))
    assert [content["n"] for _, content in suite.client.follow_run("r1")] == [1, 2, 3]
    assert [request.headers.get("Last-Event-ID") for request in suite.requests] == [None, "1", "1", "1", "1"]


def test_a_stream_that_ends_before_its_run_is_joined_again() -> None:
    suite = Suite(httpx.Response(200, content=EVENTS[0].encode()), stream(*EVENTS[1:]))
    assert [kind for kind, _ in suite.client.follow_run("r1")] == ["state", "progress", "end"]


def test_a_run_is_not_followed_into_nothing_for_ever() -> None:
    suite = Suite(httpx.Response(200, content=b""))
    with pytest.raises(SuiteError, match="before the run had ended"):
        list(suite.client.follow_run("r1"))


def test_whoever_stops_following_leaves_no_stream_open() -> None:
    suite = Suite(stream(*EVENTS))
    with closing(suite.client.follow_run("r1")) as events:
        next(events)
    assert len(suite.requests) == 1
