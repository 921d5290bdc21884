"""The embedded suite does the main job, ends at Ctrl-C, and says in words why it cannot start."""

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.ingestion.starter_corpus import read_starter_corpus
from tests.system.scenario import import_lines, typical_corpus, walk_the_road
from tests.system.suite import free_port, running_suite, until

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return typical_corpus(read_starter_corpus())


def run_command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_main_job_from_report_to_verdict_twice(lines: list[bytes], tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        client = suite.client()
        first = walk_the_road(client, lines, tmp_path / "phone")
        second = walk_the_road(client, lines, tmp_path / "phone")
        assert second["snapshot"] == first["snapshot"]
        assert second["release"] != first["release"]
        models = [client.get_bytes(f"/registry/v1/releases/{run['release']}/model") for run in (first, second)]
        assert models[0] == models[1]
        assert suite.interrupt() < 5


def test_ctrl_c_in_the_middle_of_a_fit_ends_in_five_seconds_and_the_run_goes_on(
    lines: list[bytes], tmp_path: Path
) -> None:
    with running_suite(tmp_path / "var") as suite:
        client = suite.client()
        import_lines(client, lines)
        snapshot = client.post("/ingestion/v1/snapshots")
        run = client.post("/training/v1/runs", {"snapshot": snapshot["id"]})
        with closing(client.follow_run(run["id"])) as events:
            fit_began = next(
                content
                for kind, content in events
                if kind == "progress" and content["step"] == "fit" and content["done"] > 0
            )
        assert fit_began["done"] < fit_began["total"]
        assert suite.interrupt() < 5
    with running_suite(tmp_path / "var") as suite:
        client = suite.client()
        until(lambda: client.get(f"/training/v1/runs/{run['id']}")["state"] == "succeeded", "the run goes on", 60)


def test_everything_accepted_survives_a_kill(lines: list[bytes], tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        import_lines(suite.client(), lines[:300])
        suite.kill()
    with running_suite(tmp_path / "var") as suite:
        again = import_lines(suite.client(), lines[:300])
        assert (again["accepted"], again["duplicates"]) == (0, 300)


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with running_suite(tmp_path / "one") as suite:
        port = suite.address.rsplit(":", 1)[1]
        done = run_command("up", "--data", str(tmp_path / "two"), "--port", port)
    assert done.returncode == 2
    assert "choose another with --port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_suites_on_one_folder_are_refused(tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        done = run_command("up", "--data", str(tmp_path / "var"), "--port", str(free_port()))
        assert done.returncode == 2
        assert suite.address in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_no_text_number_or_key_is_in_the_logs(tmp_path: Path) -> None:
    planted = "种下的句子请勿外传"
    with running_suite(tmp_path / "var") as suite:
        report = {
            "sender": "+8613900001234",
            "body": planted,
            "received_at": datetime.now(UTC).isoformat(),
            "consent": True,
        }
        key = suite.data.admin_key()
        client = suite.client()
        receipt = client.post("/ingestion/v1/reports", report)
        httpx.post(
            f"{suite.address}/ingestion/v1/reports",
            json=report | {"category": planted},
            headers={"Authorization": f"Bearer {key}"},
        )
        httpx.post(
            f"{suite.address}/ingestion/v1/reports",
            content=planted.encode(),
            headers={"Authorization": f"Bearer {key}"},
        )
        suite.interrupt()
        log = suite.log()
    assert '"event": "request"' in log
    for secret in (planted, "13900001234", key, receipt["secret"]):
        assert secret not in log


def test_the_front_page_and_the_three_documents_open(tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        page = httpx.get(suite.address)
        assert page.is_success
        assert "静线" in page.text
        for room in ("ingestion", "training", "registry"):
            assert f"{room}/docs/" in page.text
            assert httpx.get(f"{suite.address}/{room}/docs/").is_success
            assert httpx.get(f"{suite.address}/{room}/docs/openapi.json").json()["openapi"].startswith("3.1")


def test_commands_without_a_suite_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ql_x")
    done = run_command("--address", f"http://127.0.0.1:{free_port()}", "--key-file", str(tmp_path / "key"), "snapshot")
    assert done.returncode == 2
    assert "quietline up" in done.stderr
    missing = run_command("--key-file", str(tmp_path / "none"), "snapshot")
    assert missing.returncode == 2
    assert len(missing.stderr.strip().splitlines()) == 1


def test_the_suite_of_the_demo_is_found_by_its_lock(tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        assert suite.data.running_at() == suite.address
        suite.interrupt()
    assert suite.data.running_at() is None
