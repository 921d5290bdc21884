"""A newcomer walks from the README's demo to their own data, and the road gives the same model a second time."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mobile_model.updater import PhoneStore
from services.ingestion.starter_corpus import read_starter_corpus
from tests.system.scenario import typical_corpus, walk_the_road
from tests.system.suite import ROOT, RunningSuite, run_command, running_suite

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

OWN_FILE = "my-reports.jsonl"
LABELLED = {"您的验证码是 604817": "transactional", "老婆怀孕不方便？本地小妹可上门，加薇看照片": "porn"}
LEFT_OUT = ("--help", "up", "keys", "corpus")
"""What the walk leaves out: the suite runs already; the keys of production and the corpus have tests of their own."""


def commands_of_the_readme() -> list[list[str]]:
    """Gives the words of each command below the heading "Go on from here", in order."""
    section = (ROOT / "README.md").read_text("utf8").partition("## Go on from here")[2].partition("\n## ")[0]
    lines = re.findall(r"^ {4}\.venv/bin/quietline (.*)$", section, re.MULTILINE)
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words for words in commands if words[0] not in LEFT_OUT]


def own_reports() -> Iterator[bytes]:
    """Gives reports of many people, each of whom counts for little, as an operator would have them."""
    for number, line in enumerate(typical_corpus(read_starter_corpus())):
        yield json.dumps(json.loads(line) | {"reporter": f"subscriber-{number}"}).encode() + b"\n"


@dataclass
class Walk:
    """What a newcomer saw: the output of each command, by its first words."""

    suite: RunningSuite
    folder: Path
    lines: list[bytes]
    seen: dict[str, "subprocess.CompletedProcess[str]"]

    def said(self, command: str) -> str:
        return self.seen[command].stdout

    @property
    def version(self) -> str:
        return self.said("train").split()[-1]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("newcomer")
    lines = [*own_reports()]
    (folder / OWN_FILE).write_bytes(b"".join(lines))
    labelled = folder / "labelled"
    labelled.mkdir()
    (labelled / "mine.jsonl").write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in LABELLED.items())
    )
    with running_suite(folder / "var") as suite:
        root = suite.client().get_bytes("/tuf/metadata/1.root.json")
        PhoneStore(suite.data.phone).initialise(root, f"{suite.address}/tuf/")  # The newcomer has seen the demo.
        walk = Walk(suite, folder, lines, {})
        for words in commands_of_the_readme():
            command = " ".join(words[:2]) if words[0] in {"release", "phone"} else words[0]
            # The README's suite has a port of its own; this one took a free one.
            more = ["--source", f"{suite.address}/tuf/"] if command == "phone init" else []
            stands_for = {"DIR": str(labelled)} | ({"VERSION": walk.version} if "train" in walk.seen else {})
            typed = [stands_for.get(word, word) for word in words]
            done = run_command(
                *typed, *more, folder=folder, QUIETLINE_ADDRESS=suite.address, LC_ALL="C.UTF-8", COLUMNS="100"
            )
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            walk.seen[command] = done
        yield walk


def test_the_readme_leads_from_ones_own_file_to_a_verdict(walk: Walk) -> None:
    count = len(walk.lines)
    assert list(walk.seen) == [
        "import", "snapshot", "train", "release promote", "doctor", "backup", "phone init", "phone update",
        "phone score", "phone explain", "evaluate",
    ]  # fmt: skip
    assert walk.said("import") == f"{count} lines: {count} accepted, 0 known already, 0 refused\n"
    assert re.fullmatch(rf"snapshot \w+: {count} reports, sha256:[0-9a-f]{{64}}\n", walk.said("snapshot"))
    assert f"succeeded, release {walk.version}\n" in walk.said("train")
    assert walk.said("release promote") == f"stable now offers {walk.version} to 100 % of the phones\n"
    assert walk.said("phone init").startswith("another-phone trusts the root ")
    assert walk.said("phone update") == f"no release -> {walk.version} (made today)\n"
    assert "allowed" in walk.said("phone score")
    assert f"release {walk.version}, made today" in walk.said("phone score")
    text, _, spoken = walk.said("phone explain").partition("\n\n")
    characters = re.findall(r"^ +(\d+)  (.)  \+\d", spoken, re.MULTILINE)  # Which ones speak is the model's affair.
    assert characters
    assert all(text[int(place) - 1] == character for place, character in characters)
    assert "mine" in walk.said("evaluate")
    assert "<svg" in (walk.folder / "report.html").read_text("utf8")


def test_training_shows_how_far_it_is(walk: Walk) -> None:
    for step in ("read", "fit", "calibrate", "export", "evaluate", "submit"):
        bar = re.search(rf"^{step} .* (\d+)/(\d+)", walk.seen["train"].stderr, re.MULTILINE)
        assert bar is not None, step
        assert bar[1] == bar[2] != "0"


def test_the_same_reports_give_the_same_model_and_the_phone_the_newer_release(walk: Walk) -> None:
    client = walk.suite.client()
    (first,) = (run for run in client.get("/training/v1/runs")["items"] if run["release"] == walk.version)
    again = walk_the_road(
        client, walk.lines, walk.folder / "var" / "phone", source="my-reports", source_kind="operator"
    )
    assert again["snapshot"] == first["snapshot"]
    assert again["release"] != first["release"]
    models = [client.get_bytes(f"/registry/v1/releases/{run['release']}/model") for run in (first, again)]
    assert models[0] == models[1]
    assert walk.suite.data.running_at() == walk.suite.address
