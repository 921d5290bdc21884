"""The starter corpus: sound, large and varied enough, every line is taken, and it is the same every time."""

import json
import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from services.ingestion.documents import BulkLine
from services.ingestion.intake import BulkSource, Occurrences, accept_line
from services.ingestion.reports import SourceKind
from services.ingestion.starter_corpus import (
    StarterCorpusError,
    lines_of,
    read_starter_corpus,
    starter_corpus_folder,
)
from services.ingestion.starter_corpus.check import check
from services.ingestion.starter_corpus.scenarios import LANGUAGES, read_scenarios
from services.ingestion.starter_corpus.slots import fill_slots, invent_sender, slot_names
from services.ingestion.starter_corpus.survey import survey
from shared.categories import Category

SLOTS = sorted(slot_names("zh-Hans"))


@pytest.fixture(scope="module")
def scenarios():
    return read_scenarios([starter_corpus_folder()])


@pytest.fixture(scope="module")
def corpus():
    return [json.loads(line) for line in read_starter_corpus()]


def test_nothing_must_be_mended_and_every_target_is_met(scenarios):
    findings = check(scenarios)
    assert findings.faults == []
    counted = survey(scenarios, findings)
    assert [target for target in counted.targets if not target.is_met] == []
    assert {(cell.category, cell.language) for cell in counted.cells} == {
        (category, language) for category in Category for language in LANGUAGES
    }


def test_every_message_becomes_one_line(scenarios, corpus):
    assert [line["id"] for line in corpus] == [message.id for message in scenarios.messages]
    assert len({line["id"] for line in corpus}) == len(corpus)


def test_a_corpus_with_a_fault_is_not_read_in_part(monkeypatch, tmp_path):
    (tmp_path / "fraud").mkdir()
    (tmp_path / "fraud" / "broken.toml").write_text('messages = ["', "utf8")
    monkeypatch.setattr("services.ingestion.starter_corpus.starter_corpus_folder", lambda: tmp_path)
    with pytest.raises(StarterCorpusError, match=r"broken\.toml: it is no TOML"):
        next(read_starter_corpus())


def test_it_is_the_same_every_time(scenarios, corpus):
    assert list(lines_of(scenarios)) == corpus


def test_the_twins_of_a_pair_share_a_campaign_and_nothing_else_has_one(scenarios, corpus):
    pairs = {scenario.name for scenario in scenarios.scenarios if scenario.is_pairs}
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
