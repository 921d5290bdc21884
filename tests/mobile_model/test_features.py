import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_model import features
from mobile_model.features import SKELETON, WHOLE_LINE, FeatureSpec
from shared.folding import MARKS, fold
from tests.mobile_model.small_release import MESSAGES
from tests.mobile_model.texts import any_text

SPEC = FeatureSpec()


def line_of(text: str) -> tuple[list[int], list[int], list[int]]:
    """Lays out the line and its anchors symbol by symbol, as SPEC.md says it, and gives both lists of anchors."""
    folded = re.sub("[0-9]", "0", fold(text))
    letters = [symbol for symbol in folded if symbol not in MARKS]
    line = [0, *map(ord, folded), 0, 0, *(ord(symbol) * SPEC.skeleton_factor for symbol in letters), 0]
    folded_anchors = [0, *(1 + i for i, symbol in enumerate(folded) if symbol not in MARKS), len(folded) + 1]
    skeleton_anchors = list(range(len(folded) + 2, len(folded) + 2 + len(letters) + 2))
    return line, folded_anchors, skeleton_anchors


def bucket_of(ngram: list[int]) -> int:
    factors = SPEC.hash_factors[len(ngram) - 1]
    return sum(symbol * factor for symbol, factor in zip(ngram, factors, strict=True)) % SPEC.buckets


def counts_of(line: list[int], positions: list[int]) -> Counter[int]:
    padded = [*line, 0, 0]
    return Counter(bucket_of(padded[i : i + n]) for i in positions for n in (1, 2, 3))


def views_of(text: str) -> list[Counter[int]]:
    line, folded, skeleton = line_of(text)
    last = len(folded) - 1 - SPEC.window_letters
    starts = sorted({*range(0, last, SPEC.window_step), last}) if last >= 0 else []
    windows = [
        [*range(folded[a], folded[a + SPEC.window_letters]), *range(skeleton[a], skeleton[a + SPEC.window_letters])]
        for a in starts
    ]
    whole = [list(range(len(line))), list(range(skeleton[0], len(line)))]
    return [counts_of(line, positions) for positions in (*whole, *windows)]


def row(counts: Counter[int]) -> dict[int, float]:
    return {bucket: count / np.sqrt(counts.total()) for bucket, count in counts.items()}


@settings(max_examples=150)
@given(any_text)
def test_the_views_are_those_of_the_specification(text: str) -> None:
    rows, messages = features.views(features.encode([text]), SPEC)
    expected = views_of(text)
    assert messages.tolist() == [0] * len(expected)
    for found, counts in zip(rows, expected, strict=True):
        assert dict(zip(found.indices.tolist(), found.data.tolist(), strict=True)) == pytest.approx(row(counts))


def test_the_matrix_holds_one_view_of_each_message() -> None:
    corpus = features.encode([text * 3 for _, text in MESSAGES])
    rows, messages = features.views(corpus, SPEC)
    first_of_each = np.flatnonzero(np.append(True, messages[1:] != messages[:-1]))
    for view in (WHOLE_LINE, SKELETON):
        assert (rows[first_of_each + view] != features.matrix(corpus, SPEC, view)).nnz == 0
    assert len(messages) > len(MESSAGES)


def test_a_message_is_read_alike_alone_and_among_many() -> None:
    texts = ["", *(text for _, text in MESSAGES), "字" * 70_000, "", "a\x00b"] * 4
    together, messages = features.views(features.encode(texts), SPEC)
    for number in (0, 1, 40, len(MESSAGES) + 1, len(texts) - 2, len(texts) - 1):
        alone, _ = features.views(features.encode([texts[number]]), SPEC)
        assert (together[messages == number] != alone).nnz == 0
    assert features.matrix(features.encode(texts), SPEC).shape == (len(texts), SPEC.buckets)


def test_a_corpus_without_messages_has_no_rows() -> None:
    empty = features.encode([])
    assert features.matrix(empty, SPEC).shape == (0, SPEC.buckets)
    rows, messages = features.views(empty, SPEC)
    assert rows.shape == (0, SPEC.buckets)
    assert len(messages) == 0


def test_punctuation_between_letters_leaves_the_windows_where_they_are() -> None:
    text = "".join(map(chr, range(0x5000, 0x5000 + 180)))
    (plain,) = features.bucket_indices(features.encode([text]), SPEC)
    (broken,) = features.bucket_indices(features.encode(["*".join(text)]), SPEC)
    for ngrams in (plain, broken):
        views = features.find_views(ngrams, SPEC)
        lengths = views.skeleton_end - views.skeleton_begin
        assert lengths.tolist() == [182, 182, *[80] * 7]
        assert views.number.tolist() == list(range(9))


letters = st.text(st.sampled_from("加微信看照片老婆怀孕lan7702"), min_size=1, max_size=60)
fillers = st.text(st.sampled_from([*MARKS, " ", "\u200b", "\x00", "\ud800"]), max_size=4)


@given(letters, st.data())
def test_a_message_broken_by_punctuation_keeps_the_ngrams_of_its_skeleton(text: str, data: st.DataObject) -> None:
    broken = "".join(letter + data.draw(fillers) for letter in text)
    (plain,) = features.bucket_indices(features.encode([text]), SPEC)
    (disguised,) = features.bucket_indices(features.encode([broken]), SPEC)
    of_plain, of_disguised = (n.buckets[:, n.skeleton_anchors[0] :].tolist() for n in (plain, disguised))
    assert of_plain == of_disguised
    assert any(any(buckets) for buckets in of_plain)


def test_ngrams_collide_about_as_rarely_as_at_random() -> None:
    """Digits, letters and characters, alone and together, in both streams; real text holds all of them."""
    draw = np.random.default_rng(0)
    ascii_symbols = [*range(0x30, 0x3A), *range(0x61, 0x7B)]
    chinese = draw.permutation(np.arange(0x4E00, 0x9FA5))
    ngrams = [
        *([symbol] for symbol in (*ascii_symbols, *chinese.tolist())),
        *(list(pair) for pair in itertools.product(ascii_symbols, repeat=2)),
        *(list(triple) for triple in itertools.product(ascii_symbols[:10], repeat=3)),
        *draw.choice(chinese, (40_000, 2)).tolist(),
        *draw.choice(chinese, (40_000, 3)).tolist(),
    ]
    skeleton = [[symbol * SPEC.skeleton_factor for symbol in ngram] for ngram in ngrams]
    counts = np.bincount([bucket_of(ngram) for ngram in ngrams + skeleton], minlength=SPEC.buckets)
    pairs, at_random = (counts * (counts - 1) / 2).sum(), counts.sum() ** 2 / 2 / SPEC.buckets
    assert pairs < 1.02 * at_random


def test_single_symbols_never_meet() -> None:
    for first in (0x30, 0x4E00):
        assert len({bucket_of([symbol]) for symbol in range(first, first + SPEC.buckets)}) == SPEC.buckets


def test_no_hash_leaves_64_bits() -> None:
    largest = 0xFFFF * SPEC.skeleton_factor
    assert all(sum(int(k) * largest for k in row) < 2**63 for row in SPEC.coefficients())


def test_the_metadata_hold_every_constant() -> None:
    metadata = SPEC.metadata()
    assert set(metadata) == set(FeatureSpec.__dataclass_fields__)
    assert metadata["hash_factors"].replace(";", "").split() == [str(k) for row in SPEC.hash_factors for k in row]
    assert FeatureSpec(window_letters=30).metadata() != metadata
