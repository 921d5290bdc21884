"""Whoever writes messages is told what to mend, where, and how; whoever reads the corpus, what it holds."""

import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner, Result

from services.cli import main
from services.ingestion.starter_corpus.check import Findings, check, clauses
from services.ingestion.starter_corpus.numbers import is_card_number, is_id_number, real_looking_numbers
from services.ingestion.starter_corpus.scenarios import Corpus, Message, read_scenarios
from services.ingestion.starter_corpus.survey import survey
from shared.categories import Category

USUAL = bytes(byte for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF) for byte in (high, low)).decode("gb2312")
COMMON = "".join(one for one in USUAL if one == one.encode("big5", "ignore").decode("big5"))
"""Characters that simplified and traditional writing share."""


def invented(name: str, count: int = 25, length: int = 20) -> list[str]:
    """Messages that have nothing in common."""
    random = Random(name)
    return ["".join(random.choices(COMMON, k=length)) for _ in range(count)]


def write(root: Path, place: str, **content: object) -> Path:
    """Writes a sound scenario; what is given differs, and a key given as None is left out."""
    file = root / f"{place}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    sound = {"category": file.parent.name, "language": "zh-Hans", "messages": invented(place)}
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in (sound | content).items() if value)
    file.write_text("\n".join(lines), "utf8")
    return file


def write_pairs(root: Path, *pairs: dict[str, str], count: int = 13) -> Path:
    """Writes a file of hard pairs: those given, and sound ones behind them."""
    file = root / "pairs" / "two-sides.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    sound = [{"fraud": f"{text}转账", "personal": f"{text}吃饭"} for text in invented("pairs", count)]
    tables = (
        "[[pairs]]\n" + "".join(f"{key} = {json.dumps(text, ensure_ascii=False)}\n" for key, text in pair.items())
        for pair in (*pairs, *sound)
    )
    file.write_text('language = "zh-Hans"\n' + "".join(tables), "utf8")
    return file


def checked(root: Path) -> tuple[Corpus, Findings]:
    corpus = read_scenarios([root])
    return corpus, check(corpus)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["corpus", "check", *map(str, arguments)])


def test_a_sound_corpus_has_neither_fault_nor_warning(tmp_path: Path) -> None:
    write(tmp_path, "personal/chat")
    write(tmp_path, "fraud/bait", disguised=["加*薇*信领*奖金吧"])
    write_pairs(tmp_path)
    _, findings = checked(tmp_path)
    assert (findings.faults, findings.warnings) == ([], [])


@pytest.mark.parametrize(("changed", "message", "words"), [
    ({"colour": "red"}, None, "unknown key colour"),
    ({"language": "fr"}, None, "language must be zh-Hans, zh-Hant or en"),
    ({"language": None}, None, "language must be"),
    ({"category": "spam"}, None, "category must be one of"),
    ({"category": "porn"}, None, "lies in the folder personal"),
    ({"topic": "weather"}, None, "no topic is called weather"),
    ({"disguised": ["加*薇*信领*奖金吧"]}, None, "`disguised` is for"),
    ({"messages": "你好"}, None, "must be a list"),
    ({"messages": invented("few", 24)}, None, "has 24 messages"),
    ({"messages": [*invented("pet"), "我家{pet}不见了谁看到"]}, "chat/25", "{pet} is no slot"),
    ({"messages": [*invented("brace"), "我家{name不见了谁看到"]}, "chat/25", "{ is no slot"),
    ({"messages": [*invented("number"), 12345678]}, "chat/25", "must be a text"),
    ({"messages": [*invented("empty"), " "]}, "chat/25", "not an empty one"),
    ({"messages": [*invented("long"), *invented("longer", 1, 301)]}, "chat/25", "has 301 characters"),
    ({"messages": [*invented("script"), "你的掛號單還沒領"], "language": "zh-Hans"}, "chat/25", "in traditional"),
    ({"messages": [*invented("other"), "请问这间还开吗"], "language": "zh-Hant"}, "chat/25", "in simplified"),
    ({"messages": [*invented("copy"), "明天下午三点在老地方见面吧", "明天下午3点在老地方见面吧！"]}, None, None),
    ({"messages": [*invented("same"), "明天{time}在{city}见面", "明天{date}在{shop}见面"]}, "chat/26", "chat/25"),
])  # fmt: skip
def test_every_fault_is_named_with_its_message_and_what_to_do(
    tmp_path: Path, changed: dict[str, object], message: str | None, words: str | None
) -> None:
    file = write(tmp_path, "personal/chat", **changed)
    _, findings = checked(tmp_path)
    found = [(fault.file, fault.message) for fault in findings.faults if words is None or words in fault.words]
    assert found == ([(str(file), message)] if words else []), findings.faults


def test_english_files_are_in_english(tmp_path: Path) -> None:
    texts = [" ".join(f"{letter}{number}x{letter}" for letter in "qwrtp") + " hey" for number in range(100, 125)]
    letters = ["".join(chr(97 + (ord(c) * 7 + place) % 26) if c.isalnum() else c for c in text) for place, text in
               enumerate(texts)]  # fmt: skip
    write(tmp_path, "personal/chat", language="en", messages=[*letters, "see you at the 车站 then"])
    _, findings = checked(tmp_path)
    chinese = [fault for fault in findings.faults if "Chinese characters" in fault.words]
    assert [fault.message for fault in chinese] == ["chat/25"]


def test_a_message_may_mix_the_scripts(tmp_path: Path) -> None:
    write(tmp_path, "personal/chat", messages=[*invented("chat"), "短信验证，繁體：請於五分鐘內輸入驗證碼"])
    assert checked(tmp_path)[1].faults == []


def test_a_disguise_may_be_in_another_script(tmp_path: Path) -> None:
    write(tmp_path, "fraud/bait", disguised=["點這個鏈接領獎"])
    assert checked(tmp_path)[1].faults == []


def test_a_topic_stands_with_legitimate_messages_only(tmp_path: Path) -> None:
    write(tmp_path, "transactional/notice", topic="bank")
    write(tmp_path, "promotion/offer", topic="bank")
    _, findings = checked(tmp_path)
    assert [Path(fault.file).stem for fault in findings.faults] == ["offer"]
    assert "a topic is for" in findings.faults[0].words


@pytest.mark.parametrize(("content", "words"), [
    (b'messages = ["a\\q"]', "no TOML"),
    (b'messages = ["\xff"]', "not UTF-8"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, content: bytes, words: str) -> None:
    write(tmp_path, "personal/chat")
    (tmp_path / "personal" / "broken.toml").write_bytes(content)
    corpus, findings = checked(tmp_path)
    assert [scenario.name for scenario in corpus.scenarios] == ["chat"]
    assert [words in fault.words for fault in findings.faults] == [True]


def test_names_are_unique_over_all_folders(tmp_path: Path) -> None:
    write(tmp_path / "one", "personal/chat")
    second = write(tmp_path / "two", "porn/chat")
    faults = read_scenarios([tmp_path / "one", tmp_path / "two"]).faults
    assert [fault.file for fault in faults] == [str(second)]
    assert "another scenario has this name" in faults[0].words
    assert read_scenarios([tmp_path / "one", tmp_path / "one" / "personal" / "chat.toml"]).faults == []


@pytest.mark.parametrize("pair", [
    {"fraud": "你的奖金到了点开领取"},
    {"fraud": "你的奖金到了点开领取", "porn": "你的奖金到了点开快来"},
    {"personal": "你的奖金到了我帮你领", "transactional": "你的奖金到了请领取"},
    {"fraud": "你的奖金到了点开领取", "spam": "你的奖金到了"},
])  # fmt: skip
def test_a_pair_has_one_twin_of_each_side(tmp_path: Path, pair: dict[str, str]) -> None:
    write_pairs(tmp_path, pair)
    _, findings = checked(tmp_path)
    assert [fault.message for fault in findings.faults] == ["two-sides/0"]


def test_twins_may_be_near_copies_of_each_other_but_of_nothing_else(tmp_path: Path) -> None:
    bait = "明天下午三点我在老地方的门口等你来，把上个月说好的那笔钱转给我"
    chat = "明天下午三点我在老地方的门口等你来，把上个月说好的那笔钱还给你"
    write_pairs(tmp_path, {"fraud": bait, "personal": chat})
    assert checked(tmp_path)[1].faults == []
    write(tmp_path, "personal/chat", messages=[*invented("chat"), f"{chat}。"])
    corpus, findings = checked(tmp_path)
    assert [fault.message for fault in findings.faults] == ["chat/25"]
    assert "is nearly two-sides/0-fraud, but that is fraud" in findings.faults[0].words
    assert survey(corpus, findings).distinct == 25 + 14, "near-copies count once, be they twins or not"


def test_twins_that_share_little_are_no_hard_pair(tmp_path: Path) -> None:
    write_pairs(tmp_path, {"fraud": "恭喜中奖速来领取万元", "personal": "晚上一起打球我带水"})
    corpus, findings = checked(tmp_path)
    assert [warning.message for warning in findings.warnings] == ["two-sides/0-fraud"]
    assert (survey(corpus, findings).pairs, survey(corpus, findings).sharing_pairs) == (14, 13)


def test_a_clause_may_stand_in_five_messages(tmp_path: Path) -> None:
    sharing = [f"{text}，您的快件已经送到小区门口了" for text in invented("clause", 6, 25)]
    write(tmp_path, "personal/chat", messages=[*sharing[:5], *invented("rest")])
    assert checked(tmp_path)[1].faults == []
    write(tmp_path, "personal/chat", messages=[*sharing, *invented("rest")])
    _, findings = checked(tmp_path)
    assert [fault.message for fault in findings.faults] == ["chat/5"]
    assert "您的快件已经送到小区门口了" in findings.faults[0].words


@pytest.mark.parametrize(("language", "written", "found"), [
    ("zh-Hans", "如有疑问请致电95588，您的快件已经送到小区门口了", {"您的快件已经送到小区门口了"}),
    ("zh-Hans", "您的快件已经送到{street}小区门口了", set()),
    ("zh-Hans", "您的快件已经 送到小区门口了", set()),
    ("zh-Hant", "您的快遞已經送到管理室門口了", {"您的快递已经送到管理室门口了"}),
    ("en", "Hi {name}, your parcel is waiting at the front desk now.", {"yourparceliswaitingatthefrontdesknow"}),
    ("en", "Hi {name}, your parcel is waiting at the desk.", set()),
])  # fmt: skip
def test_a_clause_ends_at_signs_and_slots(language: str, written: str, found: set[str]) -> None:
    assert clauses(Message("chat/0", "chat.toml", written, Category.PERSONAL, language)) == found


def test_short_messages_are_counted_and_only_between_people_without_a_word(tmp_path: Path) -> None:
    write(tmp_path, "personal/chat", messages=[*invented("chat"), "嗯"])
    write(tmp_path, "porn/tease", messages=[*invented("tease"), "约吗？"])
    corpus, findings = checked(tmp_path)
    assert [(fault.message, "3 characters" in fault.words) for fault in findings.warnings] == [("tease/25", True)]
    assert findings.faults == []
    assert survey(corpus, findings).shorter == 2


@pytest.mark.parametrize(("text", "kind"), [
    ("有事打13812345678找我", "telephone number"),
    ("call me on 07812 345678 ok", "telephone number"),
    ("call me on +44 7812 345678 ok", "telephone number"),
    ("call me on +86 138 1234 5678 ok", "telephone number"),
    ("身份证11010519491231002X拿来", "identity number"),
    ("汇到4539 5787 6362 1486谢谢", "bank card"),
    ("有事打16012345678找我", None),
    ("call me on 07700 900123 ok", None),
    ("客服4008123123，或者95588", None),
    ("身份证110105194912310021拿来", None),
    ("汇到4539 5787 6362 1487谢谢", None),
    ("有事打138****5678找我", None),
    ("时间2024-03-15 12:30:45，共1234567.89元", None),
])  # fmt: skip
def test_numbers_that_may_be_somebodys_are_seen(text: str, kind: str | None) -> None:
    assert [found for _, found, _ in real_looking_numbers(text)] == ([kind] if kind else [])


def test_check_digits_are_those_of_the_standards() -> None:
    assert is_id_number("11010519491231002X")
    assert not is_id_number("110105194912310021")
    assert not is_id_number("110105194913310022")
    assert is_card_number("4539578763621486")
    assert not is_card_number("4539578763621487")


def test_the_survey_counts_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, "transactional/notice", topic="bank")
    write(tmp_path, "fraud/bait", messages=invented("bait", 30), disguised=invented("hidden", 5))
    write(tmp_path, "personal/talk", language="zh-Hant", messages=[*invented("talk", 27, 10), "好", "好"])
    write_pairs(tmp_path)
    counted = survey(*checked(tmp_path))
    cells = {(cell.category, cell.language): cell for cell in counted.cells}
    fraud = cells[Category.FRAUD, "zh-Hans"]
    assert (fraud.scenarios, fraud.messages, fraud.disguised, fraud.twins) == (1, 48, 5, 13)
    talk = cells[Category.PERSONAL, "zh-Hant"]
    assert (talk.scenarios, talk.messages, talk.distinct) == (1, 29, 28)
    assert (counted.scenarios, counted.pair_files, counted.pairs, counted.messages) == (3, 1, 13, 115)
    assert counted.topics == {"bank": 25}
    assert counted.shares["zh-Hant"] == pytest.approx(29 / 115)
    assert counted.lengths[0.0] == 1
    met = {target.name: target.is_met for target in counted.targets}
    assert met["messages in the smallest scenario"]
    assert not met["different messages"]
    assert not met["protected topics without a message"]


def test_the_command_ends_with_2_if_something_must_be_mended(tmp_path: Path) -> None:
    file = write(tmp_path, "personal/chat", messages=[*invented("pet"), "我家{pet}不见了谁看到"])
    result = run(tmp_path, "--json", tmp_path / "out" / "check.json")
    assert result.exit_code == 2
    assert "chat/25: {pet} is no slot" in result.stdout
    assert result.stderr.splitlines()[-1] == "quietline: 1 faults must be mended, as listed above"
    document = json.loads((tmp_path / "out" / "check.json").read_bytes())
    assert [(fault["file"], fault["message"]) for fault in document["faults"]] == [(str(file), "chat/25")]
    assert document["survey"]["messages"] == 25
    assert document["generalisation"] is None


def test_the_command_ends_with_0_whatever_targets_are_missed(tmp_path: Path) -> None:
    write(tmp_path, "porn/tease", messages=[*invented("tease"), "约吗？"])
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "NOT MET: different messages: 26 (wanted: at least 9,000)" in result.stdout
    assert "1 should be looked at:" in result.stdout


def test_a_single_file_can_be_checked(tmp_path: Path) -> None:
    write(tmp_path, "personal/broken", messages=["你好"])
    assert run(write(tmp_path, "personal/chat")).exit_code == 0


def test_a_folder_without_a_scenario_is_a_mistake(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "no scenario file was found" in result.stderr


def test_generalisation_is_shown_and_kept(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path, f"personal/chat-{number}", messages=[f"晚饭{text}" for text in invented(f"c{number}")])
        write(tmp_path, f"fraud/bait-{number}", messages=[f"中奖缴税{text}" for text in invented(f"b{number}")])
    write_pairs(tmp_path)
    result = run(tmp_path, "--generalise", "--json", tmp_path / "check.json")
    assert result.exit_code == 0, result.output
    assert "met: recognised as harassment, on average over 6 harassment scenarios" in result.stdout
    document = json.loads((tmp_path / "check.json").read_bytes())["generalisation"]
    assert document["pairs"]["pairs"] == 13
    assert document["targets"]["recognised"]
