"""Snapshots, files of runs and candidates in buckets, against a server that speaks S3: all works as on folders."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from mobile_model.scorer import Scorer
from services.embedded import DataDirectory, Suite, start_suite
from services.ingestion.settings import Settings as IngestionSettings
from services.registry.settings import Settings as RegistrySettings
from services.training.settings import Settings as TrainingSettings
from shared.release_card import ReleaseCard
from tests.training.snapshots import make_rows
from tests.training.workers import QUICK, until

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

BUCKET = "quietline"


class DataInBuckets(DataDirectory):
    """A data directory whose files lie in a bucket; databases, keys and what is published stay in the folder."""

    def ingestion(self) -> IngestionSettings:
        return super().ingestion().model_copy(update={"snapshots_url": f"s3://{BUCKET}/snapshots"})

    def training(self) -> TrainingSettings:
        return super().training().model_copy(update={"runs_url": f"s3://{BUCKET}/runs"})

    def registry(self) -> RegistrySettings:
        return super().registry().model_copy(update={"candidates_url": f"s3://{BUCKET}/candidates"})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(address: str, monkeypatch: pytest.MonkeyPatch) -> "boto3.resources.base.ServiceResource":
    """An empty bucket, and an environment that leads to it as an operator's does."""
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "invented",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.create()
    return bucket


@pytest.fixture
def suite(bucket: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Suite]:  # noqa: ARG001 - first
    monkeypatch.setattr("services.training.steps.render_report", lambda *_: b"<!doctype html>")
    data = DataInBuckets(tmp_path)
    data.prepare()
    suite = start_suite(data)
    yield suite
    suite.stop()


def test_a_run_leads_from_a_snapshot_to_a_release_through_buckets(
    suite: Suite,
    bucket: "boto3.resources.base.ServiceResource",
    tmp_path: Path,
) -> None:
    headers = {"Authorization": f"Bearer {DataDirectory(tmp_path).admin_key()}"}
    with httpx.Client(transport=httpx.WSGITransport(suite.wsgi), base_url="http://suite", headers=headers) as client:
        rows = make_rows(each=12)
        lines = "\n".join(f'{{"text": "{row["text"]}", "category": "{row["category"]}"}}' for row in rows)
        sent = {"content": lines.encode(), "headers": {"Content-Type": "application/x-ndjson"}}
        assert client.post("/ingestion/v1/reports:import?source=desk", **sent).is_success  # type: ignore[arg-type]
        snapshot = client.post("/ingestion/v1/snapshots").json()["id"]
        run = client.post("/training/v1/runs", json={"snapshot": snapshot, "recipe": QUICK.document()}).json()["id"]
        until(lambda: client.get(f"/training/v1/runs/{run}").json()["finished_at"] is not None, "the run ends")
        ended = client.get(f"/training/v1/runs/{run}").json()
        assert client.get(f"/ingestion/v1/snapshots/{snapshot}/data").content.startswith(b"PAR1")
        release = client.get("/registry/v1/releases").json()["items"][0]["version"]
        model = client.get(f"/registry/v1/releases/{release}/model").content
        card = ReleaseCard.from_json(client.get(f"/registry/v1/releases/{release}/card").content)
    assert ended["state"] in {"succeeded", "refused"}, ended
    assert Scorer(gzip.decompress(model), card).score("您的验证码是 604817").probabilities
    rooms = {obj.key.split("/")[0] for obj in bucket.objects.all()}
    assert rooms == {"snapshots", "runs", "candidates"}
    # Nothing of a run outlives it that holds messages.
    assert not [obj.key for obj in bucket.objects.filter(Prefix="runs/") if obj.key.endswith((".parquet", ".npz"))]
    for place in ("ingestion/snapshots", "training/runs", "registry/candidates"):
        assert not [file for file in (tmp_path / place).rglob("*") if file.is_file()], place
