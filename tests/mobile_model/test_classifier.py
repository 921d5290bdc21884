import numpy as np
import pytest
from sklearn.base import clone

from mobile_model import features
from mobile_model.classifier import CATEGORIES, FIRST_HARASSMENT, HashedNgramClassifier, quantize
from mobile_model.features import NGRAM_LENGTHS, SKELETON, WHOLE_VIEWS, FeatureSpec
from shared.categories import HARASSMENT, Category
from tests.mobile_model.small_release import MESSAGES
from tests.mobile_model.texts import BENIGN, SOLICITATION, TEXTS

CODES = ["您的验证码是 604817", "验证码 118203，五分钟内有效"]


def test_harassment_is_the_last_columns() -> None:
    assert CATEGORIES[FIRST_HARASSMENT:] == HARASSMENT


def test_it_learns_what_it_is_shown(classifier: HashedNgramClassifier) -> None:
    right = classifier.predict([text for _, text in MESSAGES]) == [category for category, _ in MESSAGES]
    assert right.mean() > 0.9


def test_the_scikit_learn_protocol_is_kept(classifier: HashedNgramClassifier) -> None:
    copy = clone(HashedNgramClassifier(FeatureSpec(buckets=1 << 10), l2=3.0))
    assert (copy.l2, copy.features.buckets) == (3.0, 1 << 10)
    assert classifier.classes_.tolist() == list(Category)
    probabilities = classifier.predict_proba(TEXTS)
    assert probabilities.shape == (len(TEXTS), len(Category))
    assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)


def test_a_category_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no such category: spam"):
        HashedNgramClassifier().fit(CODES, ["personal", "spam"])


def test_rows_that_do_not_fit_are_refused() -> None:
    rows = features.matrix(features.encode(CODES), FeatureSpec(buckets=1 << 10))
    with pytest.raises(ValueError, match="do not fit rows of shape"):
        HashedNgramClassifier().fit_matrix(rows, ["personal", "personal"])


def test_categories_without_messages_are_never_likely() -> None:
    fitted = HashedNgramClassifier().fit(CODES, [Category.TRANSACTIONAL, Category.PERSONAL])
    assert set(fitted.predict([*CODES, SOLICITATION])) <= {Category.TRANSACTIONAL, Category.PERSONAL}


def test_text_and_category_may_be_plain_strings() -> None:
    plain = HashedNgramClassifier().fit(CODES, ["transactional", "personal"])
    typed = HashedNgramClassifier().fit(CODES, [Category.TRANSACTIONAL, Category.PERSONAL])
    assert plain.coef_.tobytes() == typed.coef_.tobytes()


def test_all_that_an_empty_message_has_are_ngrams_of_zeros(classifier: HashedNgramClassifier) -> None:
    zeros = classifier.quantized.weights[0] * classifier.quantized.scales.astype(np.float64)
    line, skeleton = (classifier.quantized.bias + zeros * ngrams / np.sqrt(ngrams) for ngrams in (12, 6))
    decisions = classifier.decide(["", " \u200b\x00\n", "\ud800"])
    for view, probabilities in zip(decisions.view.tolist(), decisions.probabilities, strict=True):
        odds = np.exp(skeleton if view == SKELETON else line)
        assert probabilities == pytest.approx(odds / odds.sum(), abs=1e-6)


def test_quantizing_moves_no_weight_by_more_than_half_a_step() -> None:
    weights = np.random.default_rng(0).normal(size=(64, 7))
    weights[:, 3] = 0.0
    quantized = quantize(weights, np.zeros(7))
    error = np.abs(quantized.weights * quantized.scales - weights)
    assert (error <= quantized.scales * 0.501).all()
    assert np.abs(quantized.weights).max(axis=0).tolist() == [127, 127, 127, 0, 127, 127, 127]


@pytest.mark.parametrize("text", [text for text in TEXTS if text])
def test_contributions_zeros_and_biases_add_up_to_the_margin(classifier: HashedNgramClassifier, text: str) -> None:
    probabilities = classifier.predict_proba([text])[0].astype(np.float64)
    for_it = FIRST_HARASSMENT + probabilities[FIRST_HARASSMENT:].argmax()
    against = probabilities[:FIRST_HARASSMENT].argmax()
    bias = classifier.quantized.bias
    contributions = classifier.contributions(text)
    assert len(contributions) == len(text)
    margin = np.log(probabilities[for_it]) - np.log(probabilities[against])
    silent = _said_by_zeros(classifier, text, for_it) - _said_by_zeros(classifier, text, against)
    assert contributions.sum() + silent + bias[for_it] - bias[against] == pytest.approx(margin, abs=1e-4)


def _said_by_zeros(classifier: HashedNgramClassifier, text: str, category: int) -> float:
    """Gives what the n-grams of zeros in the deciding view say."""
    (ngrams,) = features.bucket_indices(features.encode([text]), classifier.features)
    views = features.find_views(ngrams, classifier.features)
    view = int(classifier.decide([text]).view[0])
    positions = [
        *range(views.folded_begin[view], views.folded_end[view]),
        *range(views.skeleton_begin[view], views.skeleton_end[view]),
    ]
    line = [*ngrams.symbols.tolist(), 0, 0]
    zeros = sum(not any(line[at : at + n]) for at in positions for n in (1, 2, 3))
    weight = float(classifier.quantized.weights[0, category] * classifier.quantized.scales[category])
    return float(zeros * weight / np.sqrt(NGRAM_LENGTHS * len(positions)))


def test_a_solicitation_behind_benign_text_does_not_drown(classifier: HashedNgramClassifier) -> None:
    text = BENIGN * 5 + SOLICITATION * 2
    decision = classifier.decide([text])
    assert len(BENIGN * 5) >= 190
    assert decision.view[0] >= WHOLE_VIEWS
    assert decision.window_start[0] > len(BENIGN * 3)
    assert decision.window_end[0] == len(text)
    assert classifier.predict([text]).tolist() == [Category.PORN]
    contributions = classifier.contributions(text)
    assert not contributions[: decision.window_start[0]].any()
    assert contributions[len(BENIGN * 5) :].sum() > 0


def test_punctuation_between_letters_hides_little(classifier: HashedNgramClassifier) -> None:
    broken = "*".join(SOLICITATION)
    assert classifier.predict([broken]).tolist() == [Category.PORN]
    assert classifier.decide([broken]).view.tolist() == [SKELETON]
    contributions = classifier.contributions(broken)
    assert contributions[::2].sum() > 0
    assert not contributions[1::2].any()
