"""`quietline evaluate` says what a release does on a folder, as one would type it; texts stay on the terminal."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobile_model.conformance import CARD_FILE, MODEL_FILE, read
from mobile_model.scorer import Scorer
from mobile_model.updater import PhoneStore
from services.cli import main
from services.training.judging.figures import Judgement
from shared.categories import HARASSMENT, Action, Strictness
from shared.release_card import ReleaseCard
from tests.mobile_model.terminal import RELEASE, assert_refused, install
from tests.mobile_model.updater.repository_simulator import SOURCE, Clock, Repository

ROWS = (
    ("老婆怀孕不方便？本地小妹可上门，加薇看照片", "porn", "street"),
    ("代开发票，点数低可先验后付", "illegal", "street"),
    ("世界杯盘口全开，首存送88%，提款秒到", "gambling", "street"),
    ("您的验证码是604817，5分钟内有效，请勿告诉任何人。", "transactional", "home"),
    ("晚上一起吃饭吗？老地方，六点半", "personal", "home"),
    ("妈我手机坏了，这是我新号，改天再聊", "legitimate", "home"),
    ("周年庆全场满300减50，拒收回R", "promotion", "home"),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    lines = [json.dumps({"text": text, "label": label, "source": source}) for text, label, source in ROWS]
    (folder / "some.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def card() -> ReleaseCard:
    return ReleaseCard.from_json(read(CARD_FILE))


def evaluate(data: Path, *options: str, release: tuple[str, ...] = RELEASE) -> Result:
    result = CliRunner().invoke(main, ["evaluate", "--data", str(data), *release, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def judgement_of(data: Path, *options: str, release: tuple[str, ...] = RELEASE) -> Judgement:
    file = data.parent / "out" / "figures.json"
    assert evaluate(data, *options, "--json", str(file), release=release).exit_code == 0
    return Judgement.model_validate_json(file.read_bytes())


@pytest.mark.parametrize("strictness", Strictness)
def test_figures_are_those_of_the_phone(data: Path, card: ReleaseCard, strictness: Strictness) -> None:
    scorer = Scorer(read(MODEL_FILE), card, strictness)
    caught = [
        (verdict := scorer.score(text)).category in HARASSMENT and verdict.action is not Action.ALLOW
        for text, _, _ in ROWS
    ]
    judgement = judgement_of(data, "--strictness", strictness.value)
    assert judgement.subject.strictness is strictness
    assert (judgement.total.recall.hits, judgement.total.recall.of) == (sum(caught[:3]), 3)
    assert (judgement.total.false_positives.hits, judgement.total.false_positives.of) == (sum(caught[3:6]), 3)
    assert judgement.total.marketing_caught.of == 1


def test_the_release_is_named_by_version_and_digest(data: Path, card: ReleaseCard) -> None:
    subject = judgement_of(data).subject
    assert (subject.release, subject.model_sha256) == (card.version, card.model.sha256)


def test_the_release_on_a_phone_is_judged_like_its_files(data: Path, tmp_path: Path, card: ReleaseCard) -> None:
    store = PhoneStore(tmp_path / "phone")
    store.initialise(Repository(Clock()).root, SOURCE)
    phone = ("--state", str(tmp_path / "phone"))
    assert_refused(evaluate(data, release=phone), "`quietline phone update` looks for one")
    install(store, card)
    assert judgement_of(data, release=phone) == judgement_of(data)


def test_the_table_and_the_list_of_mistakes_stand_on_the_terminal_alone(data: Path, tmp_path: Path) -> None:
    (data / "marked.jsonl").write_text(json.dumps({"text": "一起去看海好吗 [bold]markup[/bold]", "label": "porn"}))
    files = ["--json", str(tmp_path / "a.json"), "--html", str(tmp_path / "a.html"), "--disguise"]
    told = evaluate(data, *files)
    assert told.exit_code == 0
    assert "│ marked │ porn" in told.stdout
    listed = evaluate(data, *files, "--errors", "2")
    assert "一起去看海好吗 [bold]markup[/bold]" in listed.stdout
    written = (tmp_path / "a.json").read_text() + (tmp_path / "a.html").read_text() + told.output
    assert not [text for text, _, _ in (*ROWS, ("一起去看海", "", "")) if text[:5] in written]


def test_the_page_needs_no_script_and_no_other_file(data: Path, tmp_path: Path) -> None:
    (data / "more.jsonl").write_text(
        json.dumps({"text": "你好", "label": "personal", "source": '"><script src=//x.example>'})
    )
    assert evaluate(data, "--disguise", "--html", str(tmp_path / "a.html")).exit_code == 0
    page = (tmp_path / "a.html").read_text("utf8")
    assert page.count("<svg") == 5
    assert "<script" not in page
    addresses = set(re.findall(r"""(?:https?:)?//[^\s"'<>)]+""", page)) - {"//x.example&gt;", "//x.example&gt;."}
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", page)
    for heading in (
        "骚扰短信拦截率",
        "正常短信误拦率",
        "概率分布",
        "伪装后保持的拦截率",
        "Mistakes by kind",
        "Disguises",
    ):
        assert heading in page


def test_without_disguise_nothing_is_said_of_disguises(data: Path, tmp_path: Path) -> None:
    result = evaluate(data, "--html", str(tmp_path / "a.html"))
    assert "disguise" not in result.stdout
    page = (tmp_path / "a.html").read_text("utf8")
    assert page.count("<svg") == 3
    assert "Disguises" not in page


def test_what_cannot_be_used_is_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    assert_refused(evaluate(tmp_path / "missing"), "does not exist")
    assert_refused(evaluate(data, release=("--state", str(tmp_path / "none"))), "phone init --root")
    assert_refused(evaluate(data, release=RELEASE[:2]), "--model and --card go together")
    assert_refused(evaluate(data, "--errors", "-1"), "--errors")
    (data / "bad.jsonl").write_text('{"text": "a", "label": "ham"}')
    refused = evaluate(data)
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith(
        f"quietline: {data / 'bad.jsonl'}, line 1: its `label` is unknown"
    )


def test_a_file_that_cannot_be_written_is_said(data: Path) -> None:
    refused = evaluate(data, "--json", str(data / "some.jsonl" / "figures.json"))
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith("quietline: cannot write")
