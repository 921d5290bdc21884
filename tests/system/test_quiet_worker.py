"""A fault of ours below the apps is answered and logged by its kind."""

import json
import socket

import pytest
import structlog
from gunicorn.config import Config
from gunicorn.http.errors import InvalidResponseHeader

from services.quiet_worker import QuietLogger, QuietWorker

PLANTED = "加薇13800138000"


@pytest.mark.parametrize("error", [RuntimeError(PLANTED), InvalidResponseHeader(PLANTED)])
def test_a_fault_of_ours_is_a_problem_without_internals(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    worker = QuietWorker.__new__(QuietWorker)  # as it is forked, without a master
    worker.cfg = Config()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker.handle_error(None, ours, ("192.0.2.7", 1), error)
        answer = theirs.recv(1 << 16).decode()
    assert answer.startswith("HTTP/1.1 500 Internal Server Error\r\n")
    assert json.loads(answer.partition("\r\n\r\n")[2])["type"] == "urn:quietline:problem:internal-error"
    logged = "".join(capfd.readouterr())
    assert type(error).__name__ in logged
    for secret in (PLANTED, "13800138000", "192.0.2.7"):
        assert secret not in answer + logged


def test_a_client_that_is_gone_does_not_break_the_worker() -> None:
    worker = QuietWorker.__new__(QuietWorker)
    worker.cfg = Config()
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        worker.handle_error(None, ours, "", RuntimeError())


def test_an_answer_that_breaks_in_the_middle_is_logged_by_its_kind(capfd: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    logger = QuietLogger(Config())
    try:
        int(PLANTED)
    except ValueError:
        logger.exception("Error handling request")
    logged = "".join(capfd.readouterr())
    assert "ValueError" in logged
    assert PLANTED not in logged
