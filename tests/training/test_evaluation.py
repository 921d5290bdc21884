"""The evaluation counts what the exported graph does, and says how sure it is."""

import json

import numpy as np
import pytest

from mobile_model.scorer import Scorer
from services.training.calibration import calibrate
from services.training.candidates import make_candidate, packed, with_figures
from services.training.dataset import Messages
from services.training.evaluation import Release, evaluate, judge
from services.training.figures import UNNAMED, Evaluation, Rate
from services.training.fitting import cross_fit, fit, local_engine
from services.training.parts import arrange
from services.training.recipe import Recipe, WantedRates
from services.training.report import render_report
from shared.categories import HARASSMENT, Action, Category, Strictness
from tests.training.conftest import MOMENT
from tests.training.snapshots import freeze, make_row, make_rows
from tests.training.test_fitting import unheard

RECIPE = Recipe(
    iterations=25,
    fold_iterations=15,
    folds=2,
    evaluated_copies=5,
    wanted=WantedRates(gentle=0.02, normal=0.1, strict=0.3),
)


def make(messages: Messages, run_id: str = "a" * 32) -> tuple[Release, Evaluation]:
    engine = local_engine(arrange(messages.to_table(), RECIPE), RECIPE, unheard)
    classifier = fit(engine, RECIPE, unheard)
    calibration = calibrate(cross_fit(engine, RECIPE, unheard), RECIPE)
    candidate = make_candidate(
        classifier, calibration, RECIPE, run_id=run_id, created_at=MOMENT, data_digest=messages.digest()
    )
    trained_on = len(messages.training)
    evaluation = evaluate(
        candidate, None, messages.judging, RECIPE, unheard, trained_on=trained_on, classifier=classifier
    )
    return candidate, evaluation


@pytest.fixture(scope="module")
def messages() -> Messages:
    snapshot = freeze(
        [*make_rows(each=60), *(make_row(f"odd {n}", "加微信上门", "personal", held_out=True) for n in range(4))]
    )
    return Messages.from_snapshot(snapshot.parquet, snapshot.digest)


@pytest.fixture(scope="module")
def made(messages: Messages) -> tuple[Release, Evaluation]:
    return make(messages)


def test_figures_are_those_of_the_phone(made: tuple[Release, Evaluation], messages: Messages) -> None:
    candidate, evaluation = made
    held_out = messages.judging
    for strictness in Strictness:
        scorer = Scorer(candidate.model, candidate.card, strictness)
        acted = np.array([v.action in {Action.WARN, Action.BLOCK} for v in scorer.score_many(held_out.texts)])
        for category in Category:
            mine = acted[held_out.categories == category.value]
            rate = evaluation.categories[category].acted[strictness].warned_or_blocked
            assert (rate.hits, rate.of) == (mine.sum(), len(mine))


def test_every_held_out_message_stands_once_in_the_confusion(
    made: tuple[Release, Evaluation], messages: Messages
) -> None:
    _, evaluation = made
    for category in Category:
        assert sum(evaluation.confusion[category].values()) == evaluation.categories[category].messages
    assert sum(sum(row.values()) for row in evaluation.confusion.values()) == len(messages.judging)
    assert set(evaluation.confusion[Category.PORN]) == {*(category.value for category in Category), UNNAMED}


def test_precision_and_recall_follow_from_the_confusion(made: tuple[Release, Evaluation]) -> None:
    _, evaluation = made
    for category in Category:
        named = sum(row[category.value] for row in evaluation.confusion.values())
        precision = evaluation.categories[category].precision
        assert (precision.hits, precision.of) == (evaluation.confusion[category][category.value], named)


def test_false_positives_are_told_by_class_and_topic(made: tuple[Release, Evaluation], messages: Messages) -> None:
    _, evaluation = made
    assert set(evaluation.topics) >= {"code", "bank", "hospital", "antenatal", "police_warning", "courier"}
    assert evaluation.topics["police_warning"].messages == 0
    assert evaluation.legitimate[Category.PERSONAL].messages == int((messages.judging.categories == "personal").sum())
    hit = evaluation.legitimate[Category.PERSONAL].acted[Strictness.NORMAL].warned_or_blocked
    assert hit.hits >= 4, "the odd ones look like harassment"


def test_groups_fit_the_gate(made: tuple[Release, Evaluation]) -> None:
    _, evaluation = made
    groups = {(group.kind, group.name): group for group in evaluation.groups}
    assert {name for kind, name in groups if kind == "category"} == {"promotion", *(c.value for c in HARASSMENT)}
    assert {name for kind, name in groups if kind == "legitimate"} == {"personal", "transactional"}
    personal = groups["legitimate", "personal"]
    hit = evaluation.legitimate[Category.PERSONAL].acted[Strictness.NORMAL].warned_or_blocked
    assert personal.candidate_right == personal.messages - hit.hits
    assert personal.both_right == personal.only_reference_right == 0
    assert evaluation.evidence.reference is None


def test_the_card_gets_the_figures_and_nothing_else_changes(made: tuple[Release, Evaluation]) -> None:
    candidate, evaluation = made
    told = with_figures(candidate, evaluation)
    assert told.model == candidate.model
    assert set(told.card.evaluation) == set(Category)
    assert told.card.evaluation[Category.PORN].recall == evaluation.categories[Category.PORN].recall.rate
    assert told.card.model_copy(update={"evaluation": {}}) == candidate.card


def test_each_disguise_is_shown_with_and_without(made: tuple[Release, Evaluation]) -> None:
    _, evaluation = made
    assert sum(not result.taught for result in evaluation.disguises.values()) == 2
    for result in evaluation.disguises.values():
        assert result.caught.of == result.caught_undisguised.of == 5 * len(HARASSMENT)
        assert result.hit.of == result.hit_undisguised.of == 10
    assert len({result.caught_undisguised.hits for result in evaluation.disguises.values()}) == 1


def test_the_graph_is_the_same_computation_as_numpy(made: tuple[Release, Evaluation]) -> None:
    assert made[1].parity.largest_difference <= 1e-6
    assert made[1].parity.messages == made[1].held_out


def test_reliability_counts_every_message_once(made: tuple[Release, Evaluation]) -> None:
    _, evaluation = made
    assert sum(part.messages for part in evaluation.reliability.bins) == evaluation.held_out
    gap = evaluation.reliability.expected_calibration_error
    assert gap is not None
    assert 0.0 <= gap <= 1.0


def test_an_evaluation_is_read_back_from_its_file(made: tuple[Release, Evaluation]) -> None:
    assert Evaluation.model_validate_json(made[1].to_json()) == made[1]


def test_no_text_of_a_message_is_in_what_is_kept(made: tuple[Release, Evaluation], messages: Messages) -> None:
    candidate, evaluation = made
    kept = evaluation.to_json() + candidate.card.to_json() + render_report(evaluation, unheard)
    assert not [text for text in messages.texts if len(text) > 4 and text.encode() in kept]


def test_nothing_held_out_is_no_failure() -> None:
    snapshot = freeze([row | {"held_out": False} for row in make_rows(each=10)])
    nothing = Messages.from_snapshot(snapshot.parquet, snapshot.digest)
    _, evaluation = make(nothing)
    assert evaluation.held_out == 0
    assert evaluation.categories[Category.PORN].recall.rate is None
    assert evaluation.figures[Category.PORN].recall is None
    assert b"<svg" in render_report(evaluation, unheard)


def test_a_model_is_packed_into_the_same_bytes_each_time(made: tuple[Release, Evaluation]) -> None:
    model = made[0].model
    assert packed(model) == packed(model)
    assert len(packed(model)) < len(model)


def test_a_rate_of_nothing_is_no_rate() -> None:
    assert Rate.count(np.zeros(0, dtype=np.bool_)) == Rate(hits=0, of=0, rate=None, low=0.0, high=1.0)
    some = Rate.count(np.array([True, False, True, True]))
    assert some.rate == 0.75
    assert some.low < 0.75 < some.high


def test_the_page_needs_no_script_and_no_other_file(made: tuple[Release, Evaluation]) -> None:
    page = render_report(made[1], unheard).decode()
    assert page.count("<svg") == 6
    assert "<script" not in page
    assert "http-equiv" not in page
    outside = [part.split('"')[0] for part in page.split('href="')[1:] + page.split('src="')[1:]]
    assert [address for address in outside if not address.startswith("#")] == []
    for heading in (
        "骚扰短信拦截率",
        "正常短信误拦率",
        "混淆矩阵",
        "Disguises",
        "Thresholds and what is known of them",
    ):
        assert heading in page
    assert made[1].release in page


def test_the_page_shows_the_release_in_service(made: tuple[Release, Evaluation]) -> None:
    compared = made[1].model_copy(update={"reference": "20240101-000000-bbbbbbbb"})
    page = render_report(compared, unheard).decode()
    assert page.count("<svg") == 7
    assert "Against the release in service" in page


def test_the_same_evaluation_gives_the_same_page(made: tuple[Release, Evaluation]) -> None:
    assert render_report(made[1], unheard) == render_report(made[1], unheard)


def test_judging_tells_how_far_it_is(made: tuple[Release, Evaluation], messages: Messages) -> None:
    told: list[tuple[int, int]] = []
    judge(made[0], messages.texts * 3, lambda done, total, _: told.append((done, total)))
    assert told == [(0, 3 * len(messages)), (500, 3 * len(messages)), (1000, 3 * len(messages))]
    assert json.loads(made[1].to_json())["format"] == "quietline-evaluation/1"
