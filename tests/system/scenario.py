"""The main job, from report to verdict, against any running suite: embedded here, compose behind its edge later.

It speaks HTTP and the phone's own code only, and knows nothing of where the services run.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mobile_model.scorer import Scorer
from mobile_model.updater import PhoneStore, update
from services.client import SuiteClient
from shared.categories import HARASSMENT, Action


def import_lines(
    client: SuiteClient, lines: Iterable[bytes], source: str = "scenario", source_kind: str = "corpus"
) -> dict[str, Any]:
    *_, last = client.import_reports(lines, source=source, source_kind=source_kind)
    assert last["done"]
    return last


def run_to_the_end(client: SuiteClient, snapshot: str, recipe: dict[str, Any] | None = None) -> dict[str, Any]:
    run = client.post("/training/v1/runs", {"snapshot": snapshot, "recipe": recipe or {}})
    events = list(client.follow_run(run["id"]))
    assert events[-1][0] == "end"
    ended = client.get(f"/training/v1/runs/{run['id']}")
    assert ended["state"] == "succeeded", ended
    return ended


def walk_the_road(client: SuiteClient, lines: list[bytes], phone: Path, **source: str) -> dict[str, Any]:
    """Imports, freezes, trains, promotes and updates a phone; gives the run."""
    imported = import_lines(client, lines, **source)
    assert imported["read"] == imported["accepted"] + imported["duplicates"] == len(lines)
    snapshot = client.post("/ingestion/v1/snapshots")
    run = run_to_the_end(client, snapshot["id"])
    client.post("/registry/v1/channels/stable/promote", {"version": run["release"], "percentage": 100})
    store = PhoneStore(phone)
    if not store.is_initialised():
        store.initialise(client.get_bytes("/tuf/metadata/1.root.json"), f"{client.address}/tuf/")
    update(store)
    release = store.current()
    assert release is not None
    assert release.card.version == run["release"]
    check_verdicts(Scorer(release.model, release.card))
    return run


def check_verdicts(scorer: Scorer) -> None:
    """Messages that no family may see, and messages that every family must see."""
    for text in ("老婆怀孕不方便？小妹可上门，加薇 lan7702", "老*婆.怀-孕★寂·寞？美*女可上/门服务 加V xq8810"):
        verdict = scorer.score(text)
        assert verdict.category in HARASSMENT, (text, verdict)
        assert verdict.action is not Action.ALLOW, (text, verdict)
    for text in (
        "您的验证码是 604817，5分钟内有效，请勿告诉他人。",
        "【安和妇幼】您预约的3月12日产检请空腹到门诊二楼抽血",
    ):
        verdict = scorer.score(text)
        assert verdict.action is Action.ALLOW, (text, verdict)


def typical_corpus(lines: Iterable[bytes]) -> list[bytes]:
    """Takes half of the plainest scenarios and of all codes: enough of every category to pass the gate, and quick."""
    return [line for line in lines if json.loads(line)["id"].startswith(("typical-", "code-"))][::2]
