"""Public corpora in their own formats. All messages here are invented in their form."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.documents import ImportQuery
from services.ingestion.importers import FORMATS, ImportFileError, read_reports, source_name
from services.ingestion.importers.fbs import join_words
from shared.redaction import fill, mask

FBS_NAMES = [
    "AD:Loan", "AD:Network_service", "AD:Other", "AD:Real_estate", "AD:Retail", "FR:Financial", "FR:Other",
    "FR:Phishing(Bank)", "FR:Phishing(Other)", "IL:Escort_service", "IL:Fake_ID_and_invoice", "IL:Gambling",
    "IL:Political_propaganda", "Other",
]  # fmt: skip
FBS_CATEGORIES = {
    "AD": "promotion", "FR": "fraud", "IL:Escort_service": "porn", "IL:Fake_ID_and_invoice": "illegal",
    "IL:Gambling": "gambling",
}  # fmt: skip

NUS = """<?xml version='1.0' encoding='UTF-8'?>
<smsCorpus date='2015.03.09' version='1.2'>
  <message id='17'>
    <text>晚上&lt;#&gt;点吃饭 &amp; 看电影吗</text>
    <source><srcNumber>51</srcNumber><userProfile><userID>u51</userID></userProfile></source>
    <messageProfile language='zh' time='2011.2.10 21:15' type='send'/>
  </message>
  <message id='18'><text>  </text><source><userProfile><userID>u52</userID></userProfile></source></message>
  <message id='19'><text>see you at &lt;TIME&gt; by &lt;URL&gt;</text></message>
</smsCorpus>
"""


def lines(path, format_name=None):
    return [json.loads(line) for line in read_reports(path, format_name) if line.strip()]


def test_a_jsonl_file_is_passed_on_as_it_is(tmp_path):
    file = tmp_path / "desk.jsonl"
    file.write_bytes(b'{"text": "one"}\nnonsense \xff\n\n{"text": "two"}')
    assert b"".join(read_reports(file)) == file.read_bytes()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_chinese_file_is_read_in_whatever_it_is_encoded(tmp_path, ingestion, encoding, ending):
    for name, content in (("a.jsonl", '{"text": "您好，包裹到了"}'), ("b.csv", "text,id\n您好，包裹到了,1")):
        file = tmp_path / name
        file.write_bytes(content.replace("\n", ending).encode(encoding))
        assert ingestion.import_bytes(b"".join(read_reports(file)), source=name)[-1]["accepted"] == 1
    assert {item["text"] for item in ingestion.get("/reports").json["items"]} == {"您好，包裹到了"}


def test_a_few_broken_lines_do_not_turn_a_utf8_file_into_nonsense(tmp_path):
    file = tmp_path / "desk.jsonl"
    good = '{"text": "您好"}\n'.encode()
    file.write_bytes(good * 3 + b"\xff\xfe\n" + good)
    assert b"".join(read_reports(file)) == file.read_bytes()


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\x03\x04\x14\0\0", b"\x1f\x8b\x08\x00", b"\xff\xff\xff\x80\n" * 9]
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "AD:Loan", "SMSSpamCollection"])
def test_a_binary_file_is_refused(tmp_path, content, name):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ImportFileError):
        lines(file, "jsonl" if name == "SMSSpamCollection" else None)


def test_csv_keeps_the_numbers_of_its_lines(tmp_path, ingestion):
    file = tmp_path / "desk.csv"
    file.write_text('text,category\n"two\nlines",fraud\nbad,nonsense\nlast,porn\n', "utf8")
    events = ingestion.import_bytes(b"".join(read_reports(file)))
    assert [event["line"] for event in events if "line" in event] == [4]
    assert events[-1]["accepted"] == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "empty"), ("a,b\n1,2\n", "columns"), ('text,id\nx,1\n"open,2\n', "line 3"), ("text\na,b\n", "line 2")],
)
def test_a_csv_file_that_is_none_is_refused_in_words(tmp_path, content, words):
    file = tmp_path / "desk.csv"
    file.write_text(content, "utf8")
    with pytest.raises(ImportFileError, match=words):
        lines(file)


def test_every_file_of_fbs_has_its_category(tmp_path):
    for name in FBS_NAMES:
        (tmp_path / name).write_text(f"您好 这是 {name} \n\n第二 条 \n", "utf8")
    (tmp_path / "README.md").write_text("no messages", "utf8")
    found = lines(tmp_path)
    assert len(found) == 28
    for line in found:
        name = line["id"].rpartition("/")[0]
        assert line.get("category") == FBS_CATEGORIES.get(name, FBS_CATEGORIES.get(name.partition(":")[0]))
    assert lines(tmp_path / "IL:Gambling")[1] == {"id": "IL:Gambling/3", "text": "第二条", "category": "gambling"}


def test_masks_of_fbs_become_slots_and_words_are_joined():
    words = "您好 NAME 经理 电话 CELLPHONE 微信 WECHAT qq 同号 VIP card DIGIT 元 URLabc QQ PLACE 本地 iphone 6s"
    text = join_words(words, "seed")
    assert "⟦phone:11⟧" in text
    assert "⟦wechat:" in text
    assert "⟦link:" in text
    assert "⟦qq:" in text
    assert "qq同号" in text
    assert "VIP card" in text
    assert "iphone 6s" in text
    assert not any(word in text for word in ("NAME", "CELLPHONE", "WECHAT", "DIGIT", "URL", "PLACE", "QQ"))
    assert text == join_words(words, "seed")
    assert "⟦" not in fill(mask(text), "seed")


@given(st.text(st.sampled_from("中文 aB1NAMEQ"), max_size=40))
def test_joined_words_keep_no_blank_beside_chinese(words):
    text = join_words(words, "seed")
    assert not any(f" {character}" in text or f"{character} " in text for character in "中文")


def test_a_folder_without_files_of_fbs_is_refused(tmp_path):
    with pytest.raises(ImportFileError, match="AD:Loan"):
        lines(tmp_path, "fbs")
    with pytest.raises(ImportFileError, match="format"):
        lines(tmp_path)


def test_nus_messages_are_personal_and_carry_their_reporter(tmp_path):
    file = tmp_path / "corpus.xml"
    file.write_text(NUS, "utf8")
    first, second = lines(file)
    assert first["id"] == "17"
    assert first["category"] == "personal"
    assert first["reporter"] == "u51"
    assert first["text"].startswith("晚上")
    assert first["text"].endswith("点吃饭 & 看电影吗")
    assert first["text"][2:-10].isdigit()
    assert "reporter" not in second
    assert "⟦link:" in second["text"]
    assert "<" not in second["text"]


BOMB = (
    "<!DOCTYPE a ["
    + "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10 if n else 'boom'}'>" for n in range(10))
    + "]><smsCorpus><message id='1'><text>&e9;</text></message></smsCorpus>"
)
FILE = (
    "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><smsCorpus><message><text>&e;</text></message></smsCorpus>"
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, "entities"),
        (FILE, "entities"),
        ("<smsCorpus><message>", "well-formed"),
        ("nonsense", "well-formed"),
        ("<corpus/>", "smsCorpus"),
        ("", "well-formed"),
    ],
)
def test_xml_that_is_no_corpus_or_a_trap_is_refused(tmp_path, content, words):
    file = tmp_path / "corpus.xml"
    file.write_text(content, "utf8")
    with pytest.raises(ImportFileError, match=words):
        lines(file)


def test_nus_is_read_without_holding_the_file(tmp_path):
    file = tmp_path / "corpus.xml"
    message = "<message id='{}'><text>message {}</text></message>"
    with file.open("w", encoding="utf8") as writer:
        writer.write("<smsCorpus>")
        for n in range(20_000):
            writer.write(message.format(n, n))
        writer.write("<broken")
    read = []
    with pytest.raises(ImportFileError):
        read.extend(read_reports(file))
    count = 0
    try:
        for _ in read_reports(file):
            count += 1
    except ImportFileError:
        pass
    assert count == 20_000


MISHRA = """LABEL,TEXT,URL,EMAIL,PHONE
ham,"see you, then",No,No,No
Smishing,pay at once,yes,No,No
Spam, win £1 now ,No,No,yes
"""
UCI = 'ham\tsee you, then\nspam\twin "now"\n'
KAGGLE = 'v1,v2,,,\nham,"see you, then",,,\nspam,win £1 now,,,\n'


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_the_english_sets_are_read(tmp_path, encoding):
    for name, content in (("a.csv", MISHRA), ("SMSSpamCollection", UCI), ("b.csv", KAGGLE)):
        (tmp_path / name).write_text(content, encoding)
    assert [(line["category"], line["text"]) for line in lines(tmp_path / "a.csv")] == [
        ("personal", "see you, then"), ("fraud", "pay at once"), ("promotion", "win £1 now"),
    ]  # fmt: skip
    assert [line["text"] for line in lines(tmp_path / "SMSSpamCollection")] == ["see you, then", 'win "now"']
    assert [line["text"] for line in lines(tmp_path / "b.csv")] == ["see you, then", "win £1 now"]


@pytest.mark.parametrize("content", ["label,text\neggs,hello\n", "hello\nworld\n", "eggs\thello\n"])
def test_an_english_set_with_other_labels_is_refused(tmp_path, content):
    file = tmp_path / "a.csv"
    file.write_text(content, "utf8")
    with pytest.raises(ImportFileError):
        lines(file, "mishra")


def test_what_cannot_be_guessed_or_is_not_there_is_refused_in_words(tmp_path):
    (tmp_path / "a.doc").write_text("x", "utf8")
    with pytest.raises(ImportFileError, match="--format"):
        lines(tmp_path / "a.doc")
    with pytest.raises(ImportFileError, match="no format"):
        lines(tmp_path / "a.doc", "xls")
    for name in FORMATS:
        with pytest.raises(ImportFileError):
            lines(tmp_path / "AD:missing", name)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_taken_by_ingestion(tmp_path, ingestion, name):
    content = {
        "jsonl": '{"text": "hello", "category": "fraud"}\n',
        "csv": "text,category\nhello,fraud\n",
        "fbs": "您好 CELLPHONE \n",
        "nus": NUS,
        "mishra": MISHRA,
    }[name]
    file = tmp_path / "AD:Loan"
    file.write_text(content, "utf8")
    events = ingestion.import_bytes(b"".join(read_reports(file, name)), source_kind="corpus")
    assert events[-1]["refused"] == 0
    assert events[-1]["accepted"] >= 1


@pytest.mark.parametrize(
    "name", ["reports.jsonl", "我的短信.jsonl", "my export (1).jsonl", ".jsonl", "a" * 200 + ".csv"]
)
def test_any_file_name_gives_a_source_that_ingestion_takes(name):
    source = source_name(Path(name))
    assert ImportQuery(source=source).source == source


def test_two_files_are_two_sources():
    assert source_name(Path("短信一.csv")) != source_name(Path("短信二.csv"))
