"""The starter corpus: every line is taken, every category and language is there, and it is the same every time."""

import json
import re
import tomllib
from collections import Counter
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from services.ingestion.documents import BulkLine
from services.ingestion.intake import BulkSource, Occurrences, accept_line
from services.ingestion.reports import SourceKind
from services.ingestion.starter_corpus import read_starter_corpus
from services.ingestion.starter_corpus.slots import MAKERS, fill_slots, invent_sender
from shared.categories import LEGITIMATE, TOPICS, Category

FOLDER = files("services.ingestion.starter_corpus")
SCENARIOS = {
    entry.name.removesuffix(".toml"): (folder.name, tomllib.loads(entry.read_text("utf8")))
    for folder in FOLDER.iterdir()
    if folder.is_dir()
    for entry in folder.iterdir()
    if entry.name.endswith(".toml")
}
SLOTS = [*MAKERS, "surname", "city", "district", "street", "hospital", "bank", "courier", "company", "shop", "app",
         "school", "hotel", "weekday"]  # fmt: skip


@pytest.fixture(scope="module")
def corpus():
    return [json.loads(line) for line in read_starter_corpus()]


def test_every_message_becomes_one_line(corpus):
    expected = sum(
        sum(map(len, content["pairs"]))
        if "pairs" in content
        else len(content["messages"] + content.get("disguised", []))
        for _, content in SCENARIOS.values()
    )
    assert len(corpus) == len({line["id"] for line in corpus}) == expected
    assert expected >= 1500


def test_all_categories_and_languages_are_there(corpus):
    assert set(Counter(line["category"] for line in corpus)) == set(Category)
    assert {content["language"] for _, content in SCENARIOS.values()} == {"zh-Hans", "zh-Hant", "en"}


def test_it_is_the_same_every_time():
    assert list(read_starter_corpus()) == list(read_starter_corpus())


def test_no_slot_is_left_open(corpus):
    for line in corpus:
        assert not re.search(r"\{\w+\}", line["text"]), line["id"]


def test_topics_are_known_and_stand_with_legitimate_messages_only(corpus):
    for line in corpus:
        if "topic" in line:
            assert line["topic"] in TOPICS
            assert line["category"] in {*LEGITIMATE, "promotion"}


def test_the_twins_of_a_pair_share_a_campaign_and_nothing_else_has_one(corpus):
    pairs = {name for name, (folder, _) in SCENARIOS.items() if folder == "pairs"}
    campaigns = Counter()
    for line in corpus:
        scenario, _, message = line["id"].partition("/")
        assert ("campaign" in line) == (scenario in pairs)
        if "campaign" in line:
            assert line["campaign"] == f"{scenario}/{message.partition('-')[0]}"
            campaigns[line["campaign"]] += 1
    assert all(count >= 2 for count in campaigns.values())


def test_nobody_is_reached_by_a_number_of_the_corpus(corpus):
    """Mobile numbers made for slots have prefixes that no carrier was given."""
    for seed in range(300):
        number = re.sub("[^0-9]", "", fill_slots("{phone}", str(seed), "zh-Hans"))
        assert number[:3] in {"160", "161", "163", "164", "168", "169", "154"}
        assert re.search("^0[0-9]{2,3}1", re.sub("[^0-9]", "", fill_slots("{landline}", str(seed), "zh-Hans")))
        assert fill_slots("{phone}", str(seed), "en").replace(" ", "").startswith(("07700900", "+447700900"))
    assert not any(re.search(r"https?://\w", line["text"]) and ".example" in line["text"] for line in corpus)


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant", "en"])
@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot_is_filled_in_every_language(slot, language):
    values = {fill_slots(f"{{{slot}}}", str(seed), language) for seed in range(50)}
    assert len(values) > 3
    assert all(value and "{" not in value for value in values)


def test_an_unknown_slot_is_a_mistake_of_the_author():
    with pytest.raises(KeyError):
        fill_slots("{pet}", "seed", "en")


@pytest.mark.parametrize("category", list(Category))
def test_senders_are_plausible(category):
    senders = [invent_sender(category, str(seed), "zh-Hans") for seed in range(100)]
    services = sum(sender.startswith("106") or len(sender) == 5 for sender in senders)
    assert services == 0 if category == "personal" else services > 5
    assert services < 100


def test_every_line_is_acceptable(corpus):
    source = BulkSource("starter", SourceKind.CORPUS)
    occurrences = Occurrences()
    for line in corpus:
        report = accept_line(BulkLine.model_validate(line), source, occurrences, datetime(2025, 6, 1, tzinfo=UTC))
        assert report.category == line["category"]


def test_ingestion_takes_the_corpus_and_freezes_it(ingestion):
    lines = list(read_starter_corpus())[::5]
    events = ingestion.import_bytes(b"".join(lines), source="starter", source_kind="corpus")
    assert [event for event in events if "line" in event] == []
    assert events[-1]["accepted"] == len(lines)
    snapshot = ingestion.freeze()
    assert snapshot["reports"] == len(lines)
    assert 0.12 < snapshot["held_out"] / len(lines) < 0.28
    largest = ingestion.campaigns()[0]
    assert largest["reports"] < 30, "messages of different scenarios should not join"
