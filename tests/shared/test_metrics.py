"""What Prometheus reads: the same from every process, complete, and with nothing of a client's in its labels."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from shared.web import Metrics, Spent
from shared.web.disk import free_bytes
from tests.shared.counting_app import make
from tests.system.suite import ROOT, until

NOTES = 'quietline_notes_total{kind="short"}'
ANSWERED = 'quietline_http_requests_total{method="POST",route="/v1/notes",status="200"}'


def samples(page: bytes | str) -> dict[str, float]:
    """Gives every number of a page by its name and labels, as Prometheus writes them."""
    text = page.decode() if isinstance(page, bytes) else page
    return {
        sample.name
        + (
            "{" + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items())) + "}" if sample.labels else ""
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextmanager
def three_processes(folder: Path) -> Iterator[httpx.Client]:
    (folder / "counts").mkdir()
    socket = folder / "socket"
    command = [
        sys.executable, "-m", "gunicorn", "--workers", "3", "--bind", f"unix:{socket}", "--no-control-socket",
        "--log-level", "critical", "tests.shared.counting_app:make()",
    ]  # fmt: skip
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder / "counts")}
    with (
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as server,
        httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket), limits=httpx.Limits(max_keepalive_connections=0)),
            base_url="http://notes",
        ) as client,
    ):
        try:
            until(lambda: socket.exists() and client.get("/healthz").is_success, "the server answers")
            yield client
        finally:
            server.terminate()


@pytest.mark.system
def test_every_process_shows_what_all_of_them_counted_and_a_killed_one_is_not_forgotten(tmp_path: Path) -> None:
    with three_processes(tmp_path) as client:
        processes = []
        for _ in range(3):  # each is held after it has answered, so that the next request meets another one
            processes.append(client.post("/v1/notes").json()["process"])
            pages = samples(client.get("/metrics").content)
            assert pages[NOTES] == pages[ANSWERED] == len(processes)
            assert pages["quietline_answer"] == 42.0
            os.kill(processes[-1], signal.SIGSTOP if len(processes) < 3 else signal.SIGKILL)
        for process in processes[:2]:
            os.kill(process, signal.SIGCONT)
        assert len({*processes}) == 3
        client.post("/v1/notes")
        assert samples(client.get("/metrics").content)[NOTES] == 4.0


def test_one_process_counts_without_a_folder() -> None:
    client = make().test_client()
    client.post("/v1/notes")
    page = samples(client.get("/metrics").data)
    assert (page[NOTES], page[ANSWERED], page["quietline_unread_metrics"]) == (1.0, 1.0, 0.0)


def test_two_services_in_one_process_count_apart() -> None:
    one, other = make().test_client(), make().test_client()
    one.post("/v1/notes")
    assert samples(other.get("/metrics").data)[NOTES] == 0.0


def test_labels_hold_routes_and_words_of_ours_whatever_a_client_sends() -> None:
    client = make().test_client()
    client.get("/v1/种下的句子/13800138000?q=13800138000")
    client.open("/v1/notes", method="13800138000")
    client.open("/13800138000", method="PLANTED")
    page = client.get("/metrics").data.decode()
    for planted in ("种下", "13800138000", "PLANTED"):
        assert planted not in page
    assert 'quietline_http_requests_total{method="other",route="other",status="404"} 1.0' in page


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    def fail() -> NoReturn:
        raise OperationalError("SELECT", {}, Exception("gone"))

    metrics = Metrics()
    metrics.state("lost", "Cannot be read", fail)
    metrics.state("runs", "By state", lambda: {("queued",): 2.0, ("running",): 1.0}, "state")
    metrics.state("moves_total", "Only grows", lambda: 7.0)
    metrics.state("age_seconds", "There is none", lambda: None)
    metrics.spent("step_seconds", "Of steps", "step", lambda: {("fit",): Spent(3, 4.5)})
    assert samples(metrics.page()) == {
        'quietline_runs{state="queued"}': 2.0,
        'quietline_runs{state="running"}': 1.0,
        "quietline_moves_total": 7.0,
        'quietline_step_seconds_count{step="fit"}': 3.0,
        'quietline_step_seconds_sum{step="fit"}': 4.5,
        "quietline_unread_metrics": 1.0,
    }


def test_room_is_told_of_folders_that_are_still_to_be_made_and_not_of_object_stores(tmp_path: Path) -> None:
    assert free_bytes(str(tmp_path / "not" / "yet")) == free_bytes(f"file://{tmp_path}")
    assert free_bytes("s3://bucket/prefix") is None
    metrics = Metrics()
    metrics.disk_free(runs=str(tmp_path), far="s3://bucket")
    page = samples(metrics.page())
    assert page['quietline_disk_free_bytes{folder="runs"}'] > 0
    assert len(page) == 2
