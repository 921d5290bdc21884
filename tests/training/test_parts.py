"""The parts of a run hold its messages once each, and can be worked on without each other, from memory or a file."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobile_model.features import WHOLE_VIEWS
from mobile_model.graph import export
from services.training import parts as parts_module
from services.training.artifacts import MESSAGES, MissingFileError, RunFolder
from services.training.dataset import Messages
from services.training.engines import LocalEngine
from services.training.examples import balance, expected_copies
from services.training.fitting import cross_fit, fit, local_engine
from services.training.parts import MessagesFile, arrange, blocks, folds
from tests.training.test_fitting import messages, unheard
from tests.training.workers import QUICK


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "PART_MESSAGES", 20)
    monkeypatch.setattr(parts_module, "BLOCK_MESSAGES", 6)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path), "run-1")


def test_every_message_is_in_one_part_and_every_part_in_one_fold() -> None:
    whole = messages()
    arrangement = arrange(whole.to_table(), QUICK)
    assert [part.number for part in arrangement.parts] == list(range(len(arrangement.parts)))
    read = [arrangement.read(part) for part in arrangement.parts]
    assert [len(some) for some in read] == [part.messages for part in arrangement.parts]
    assert max(part.messages for part in arrangement.parts) <= 20
    assert Counter(report for some in read for report in some.report_ids) == Counter(whole.report_ids)
    fold_of = dict(zip(whole.training.campaigns, folds(whole.training.campaigns, QUICK).tolist(), strict=True))
    for part, some in zip(arrangement.parts, read, strict=True):
        assert all(some.held_out) if part.fold is None else not any(some.held_out)
        assert {fold_of.get(campaign) for campaign in some.campaigns} == {part.fold}
    assert [part for part in arrangement.parts if part.fold is not None] == list(arrangement.training)


def test_held_out_messages_stay_in_the_order_of_their_ids() -> None:
    whole = messages()
    held_out = [part for part in arrange(whole.to_table(), QUICK).parts if part.fold is None]
    read = [report for part in held_out for report in arrange(whole.to_table(), QUICK).read(part).report_ids]
    assert read == list(whole.judging.report_ids)


def test_every_part_is_a_fair_sample_though_ids_are_sorted_by_category() -> None:
    arrangement = arrange(messages(each=100).to_table(), QUICK)
    for part in arrangement.training:
        kinds = Counter(arrangement.read(part).categories.tolist())
        assert len(kinds) >= 4


def test_messages_weigh_what_the_whole_makes_of_them() -> None:
    whole = messages()
    topics = np.array([topic or "" for topic in whole.training.topics])
    balanced = balance(whole.training.categories, topics, QUICK)
    expected = dict(zip(whole.training.report_ids, balanced.tolist(), strict=True))
    arrangement = arrange(replace(whole, weights=np.full(len(whole), 0.5)).to_table(), QUICK)
    for part in arrangement.training:
        some = arrangement.read(part)
        assert some.weights.tolist() == [0.5 * expected[report] for report in some.report_ids]


def test_blocks_hold_a_part_in_its_order() -> None:
    some = arrange(messages().to_table(), QUICK).read(arrange(messages().to_table(), QUICK).parts[0])
    cut = list(blocks(some))
    assert [len(block) for block in cut[:-1]] == [6] * (len(cut) - 1)
    assert [report for block in cut for report in block.report_ids] == list(some.report_ids)


def test_a_file_gives_the_parts_that_were_written(folder: RunFolder) -> None:
    arrangement = arrange(messages().to_table(), QUICK)
    folder.write(MESSAGES, arrangement.to_parquet())
    file = MessagesFile.find(folder)
    assert list(file.parts) == list(arrangement.parts)
    assert file.copies == arrangement.copies
    for part in file.parts:
        ours, theirs = file.read(part), arrangement.read(part)
        assert ours.digest() == theirs.digest()
        assert ours.campaigns == theirs.campaigns
        assert ours.weights.tolist() == theirs.weights.tolist()
    assert file.held_out().digest() == messages().judging.digest()
    assert arrange(messages().to_table(), QUICK).to_parquet() == arrangement.to_parquet()


def test_a_file_without_held_out_messages_gives_none(folder: RunFolder) -> None:
    folder.write(MESSAGES, arrange(messages().training.to_table(), QUICK).to_parquet())
    assert len(MessagesFile.find(folder).held_out()) == 0


def test_a_missing_file_is_told(folder: RunFolder) -> None:
    with pytest.raises(MissingFileError):
        MessagesFile.find(folder)


def test_a_fit_from_a_file_is_that_from_memory(folder: RunFolder) -> None:
    arrangement = arrange(messages().to_table(), QUICK)
    folder.write(MESSAGES, arrangement.to_parquet())
    file = MessagesFile.find(folder)
    engines = [local_engine(source, QUICK, unheard) for source in (arrangement, file)]
    models = [export(fit(engine, QUICK, unheard)) for engine in engines]
    assert models[0] == models[1]
    scores = [cross_fit(engine, QUICK, unheard) for engine in engines]
    assert scores[0].harassment.tolist() == scores[1].harassment.tolist()


def test_a_snapshot_that_would_have_too_many_copies_gets_fewer_of_each_message() -> None:
    whole = messages(each=100)
    usual, capped = (arrange(whole.to_table(), replace(QUICK, most_copies=most)) for most in (1_000_000, 200))
    assert usual.copies == 1.0
    counts = {}
    for arrangement in (usual, capped):
        made = [block for part in LocalEngine(arrangement, QUICK, lambda *_: None)._held.values() for block in part]
        shown = sum(len(block.labels) for block in made) // WHOLE_VIEWS
        counts[arrangement.copies] = shown - len(whole.training)
    assert counts[1.0] == pytest.approx(expected_copies(whole.training.categories, QUICK), rel=0.05)
    assert counts[capped.copies] == pytest.approx(200, rel=0.2)
    assert arrange(whole.to_table(), replace(QUICK, most_copies=0)).copies == 0.0


def test_two_messages_are_enough_for_parts() -> None:
    few: Messages = messages().training.where(np.arange(168) < 2)
    assert sum(part.messages for part in arrange(few.to_table(), QUICK).parts) == 2
