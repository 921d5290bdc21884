"""What the model sees of a message: hashed n-grams of its folded text and its skeleton, whole and in windows.

Folding is that of `shared.folding`, but for digits, which all count as 0.

The same steps are an ONNX graph in `graph.py`; here they run over a whole corpus at once in numpy.

The *line* of a message is `0 F 0 0 S 0`: its folded symbols F, and its skeleton S with every symbol multiplied by
`FeatureSpec.skeleton_factor`, so that the two streams share no n-gram. Each position of the line owns the three n-grams
that start there (zeros go on after the end). Each line holds a few n-grams of zeros alone, seven if it has a letter,
which fall into bucket 0: divided by the root of the count, they tell the model how short a message is.

*Anchors* are the start of a stream, each of its letters and digits, and its end: the same number in F and S. A window
is a run of `window_letters` anchors with all that both streams hold between them, so that punctuation between letters
cannot thin it out. The *views* of a message are its whole line, its skeleton stream alone, which signs between letters
cannot touch, and then its windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from shared import folding

NGRAM_LENGTHS: Final = 3
WHOLE_LINE: Final = 0
"""The first view of a message."""
SKELETON: Final = 1
"""The second one."""
WHOLE_VIEWS: Final = 2
"""Views that look at the message from end to end; those after them are windows."""
_BLOCK_CODEPOINTS: Final = 1 << 16
"""Messages are worked on in blocks of about so many code points, which fit the processor's cache."""


@dataclass(frozen=True)
class FeatureSpec:
    """Every constant of the features; two models with equal specs read messages alike.

    The hash of n symbols is linear, with factors of its own for each n: `h_n = c_0 * K[n][0] + c_1 * K[n][1] + ...`, of
    which the bucket is the last bits. The factors are odd, so that single symbols nearer to each other than `buckets`
    never meet; n-grams meet as rarely as at random.
    """

    buckets: int = 1 << 15
    hash_factors: tuple[tuple[int, ...], ...] = (
        (745_963_615,),
        (740_105_253, 1_041_287_323),
        (457_335_761, 1_067_766_967, 407_908_521),
    )
    skeleton_factor: int = 20_761
    window_letters: int = 80
    window_step: int = 20
    folding_digest: str = folding.DIGEST

    def coefficients(self) -> NDArray[np.int64]:
        """Gives int64[n-gram length - 1, offset], filled up with zeros. No hash reaches 2**63."""
        return np.array([(*row, *[0] * (NGRAM_LENGTHS - len(row))) for row in self.hash_factors], dtype=np.int64)

    def metadata(self) -> dict[str, str]:
        """Gives every constant as text, for the model file and the release card."""
        return {name: _as_text(value) for name, value in asdict(self).items()}


def _as_text(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return "; ".join(" ".join(map(str, row)) for row in value)


@dataclass(frozen=True)
class Corpus:
    """Messages as code points: message i is `codepoints[offsets[i]:offsets[i + 1]]`."""

    codepoints: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def blocks(self) -> Iterator["Corpus"]:
        """Cuts the corpus between messages into parts that fit the cache; at least one, even of nothing."""
        marks = np.arange(0, len(self.codepoints) + _BLOCK_CODEPOINTS, _BLOCK_CODEPOINTS)
        cuts = np.unique(np.append(np.searchsorted(self.offsets, marks), [0, len(self)]).clip(0, len(self)))
        if not len(self):
            yield self
        for first, last in pairwise(cuts):
            begin, end = self.offsets[first], self.offsets[last]
            yield Corpus(self.codepoints[begin:end], self.offsets[first : last + 1] - begin)


def encode(texts: Sequence[str]) -> Corpus:
    """Gives the code points of messages; any Unicode is welcome, NUL and lone surrogates too."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return Corpus(folding.codepoints("".join(texts)), _offsets(lengths))


@dataclass(frozen=True)
class Ngrams:
    """The lines of a corpus, hashed.

    `buckets` is int32[3, positions], row n - 1 holding the n-grams of n symbols. Line i is the positions
    `offsets[i]:offsets[i + 1]`; its anchors are `anchor_offsets[i]:anchor_offsets[i + 1]` of the two anchor arrays,
    which hold positions. `symbols` is the line itself, and `source` the code point of the message that each symbol
    comes from; the zero before a stream counts as code point 0, the one after it as one past the last.
    """

    buckets: NDArray[np.int32]
    symbols: NDArray[np.int64]
    source: NDArray[np.int64]
    offsets: NDArray[np.int64]
    folded_anchors: NDArray[np.int64]
    skeleton_anchors: NDArray[np.int64]
    anchor_offsets: NDArray[np.int64]


@dataclass(frozen=True)
class Views:
    """The views of a corpus, those of one message together.

    View i is number `number[i]` of its message. It holds the positions from `folded_begin[i]` up to `folded_end[i]` and
    from `skeleton_begin[i]` up to `skeleton_end[i]`.
    """

    message: NDArray[np.int64]
    number: NDArray[np.int64]
    folded_begin: NDArray[np.int64]
    folded_end: NDArray[np.int64]
    skeleton_begin: NDArray[np.int64]
    skeleton_end: NDArray[np.int64]


def bucket_indices(corpus: Corpus, spec: FeatureSpec) -> Iterator[Ngrams]:
    """Hashes the n-grams of a corpus, one block of whole messages after the other."""
    for block in corpus.blocks():
        yield _hash(block, spec)


def find_views(ngrams: Ngrams, spec: FeatureSpec) -> Views:
    """Gives the views of each message, in the order in which the graph compares them."""
    anchors = np.diff(ngrams.anchor_offsets)
    last_start = anchors - spec.window_letters - 1
    windows = np.where(last_start >= 0, -(-last_start // spec.window_step) + 1, 0)
    message = np.repeat(np.arange(len(anchors)), windows + WHOLE_VIEWS)
    number = _within(windows + WHOLE_VIEWS)
    return _place(
        ngrams, message, number, np.minimum((number - WHOLE_VIEWS) * spec.window_step, last_start[message]), spec
    )


def _place(
    ngrams: Ngrams, message: NDArray[np.int64], number: NDArray[np.int64], start: NDArray[np.int64], spec: FeatureSpec
) -> Views:
    """Gives the positions of views; `start` is the anchor, counted within the message, at which a window begins."""
    is_window = number >= WHOLE_VIEWS
    first = np.where(is_window, ngrams.anchor_offsets[message] + start, 0)
    last = np.where(is_window, first + spec.window_letters, 0)
    line = ngrams.offsets[message]
    between = ngrams.skeleton_anchors[ngrams.anchor_offsets[message]]
    return Views(
        message,
        number,
        np.where(is_window, ngrams.folded_anchors[first], line),
        np.where(is_window, ngrams.folded_anchors[last], np.where(number == WHOLE_LINE, between, line)),
        np.where(is_window, ngrams.skeleton_anchors[first], between),
        np.where(is_window, ngrams.skeleton_anchors[last], ngrams.offsets[message + 1]),
    )


def matrix(corpus: Corpus, spec: FeatureSpec, view: int = WHOLE_LINE) -> csr_matrix:
    """Gives float64[messages, buckets]: counts of n-grams, divided by the root of the number of all of them.

    Args:
        corpus: the messages.
        spec: the constants of the features.
        view: what of each message is counted, `WHOLE_LINE` or `SKELETON`.
    """
    return vstack([_rows(n, _one_view(n, view, spec), spec) for n in bucket_indices(corpus, spec)], format="csr")


def views(corpus: Corpus, spec: FeatureSpec) -> tuple[csr_matrix, NDArray[np.int64]]:
    """Gives every view of every message as the graph sees it, and the message that each row belongs to.

    The rows are as in `matrix`; the first row of each message is its whole line.
    """
    rows: list[csr_matrix] = []
    messages: list[NDArray[np.int64]] = []
    done = 0
    for ngrams in bucket_indices(corpus, spec):
        block = find_views(ngrams, spec)
        rows.append(_rows(ngrams, block, spec))
        messages.append(block.message + done)
        done += len(ngrams.offsets) - 1
    return vstack(rows, format="csr"), np.concatenate(messages)


def read_digits_alike(symbols: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Gives the symbols with 0 for every digit: which digits a code or a number has would be learned as noise."""
    is_digit = (symbols > ord("0")) & (symbols <= ord("9"))
    return np.where(is_digit, np.uint16(ord("0")), symbols)


def _offsets(lengths: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _within(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Gives 0, 1, ..., length - 1 for each length, one after the other."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _counts(mask: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    before = _offsets(mask)[offsets]
    return before[1:] - before[:-1]


def _hash(corpus: Corpus, spec: FeatureSpec) -> Ngrams:
    symbols = read_digits_alike(folding.fold_codepoints(corpus.codepoints))
    kept = symbols != 0
    folded, folded_lengths = symbols[kept], _counts(kept, corpus.offsets)
    letter = folding.is_letter()[folded]
    letter_lengths = _counts(letter, _offsets(folded_lengths))

    offsets = _offsets(folded_lengths + letter_lengths + 4)
    starts = offsets[:-1]
    skeleton_starts = starts + folded_lengths + 2
    folded_positions = np.repeat(starts + 1, folded_lengths) + _within(folded_lengths)
    skeleton_positions = np.repeat(skeleton_starts + 1, letter_lengths) + _within(letter_lengths)
    line = np.zeros(offsets[-1] + NGRAM_LENGTHS - 1, dtype=np.int64)
    line[folded_positions] = folded
    line[skeleton_positions] = folded[letter].astype(np.int64) * spec.skeleton_factor

    source = np.zeros(offsets[-1], dtype=np.int64)
    source[folded_positions] = _within(np.diff(corpus.offsets))[kept]
    source[skeleton_positions] = source[folded_positions[letter]]
    source[skeleton_starts - 1] = source[offsets[1:] - 1] = np.diff(corpus.offsets)

    anchor_offsets = _offsets(letter_lengths + 2)
    folded_anchors = np.empty(anchor_offsets[-1], dtype=np.int64)
    folded_anchors[anchor_offsets[:-1]] = starts
    folded_anchors[anchor_offsets[1:] - 1] = skeleton_starts - 1
    folded_anchors[np.repeat(anchor_offsets[:-1] + 1, letter_lengths) + _within(letter_lengths)] = folded_positions[
        letter
    ]
    skeleton_anchors = np.repeat(skeleton_starts, letter_lengths + 2) + _within(letter_lengths + 2)

    buckets = _buckets(line, spec)
    buckets[2, offsets[1:] - 1] = 0  # The last zero of a line would see the first symbol of the next one.
    return Ngrams(buckets, line[: offsets[-1]], source, offsets, folded_anchors, skeleton_anchors, anchor_offsets)


def _buckets(line: NDArray[np.int64], spec: FeatureSpec) -> NDArray[np.int32]:
    positions = len(line) - NGRAM_LENGTHS + 1
    buckets = np.empty((NGRAM_LENGTHS, positions), dtype=np.int32)
    for row, coefficients in enumerate(spec.coefficients()):
        total = line[:positions] * coefficients[0]
        for offset in range(1, row + 1):
            total += line[offset : offset + positions] * coefficients[offset]
        np.bitwise_and(total, spec.buckets - 1, out=buckets[row], casting="unsafe")
    return buckets


def _one_view(ngrams: Ngrams, view: int, spec: FeatureSpec) -> Views:
    messages = np.arange(len(ngrams.offsets) - 1)
    return _place(ngrams, messages, np.full_like(messages, view), messages, spec)


def _rows(ngrams: Ngrams, block: Views, spec: FeatureSpec) -> csr_matrix:
    """Counts the buckets of each view by sorting (row, bucket) keys."""
    begins = np.concatenate([block.folded_begin, block.skeleton_begin])
    lengths = np.concatenate([block.folded_end, block.skeleton_end]) - begins
    row = np.repeat(np.tile(np.arange(len(block.message)), 2), lengths)
    position = np.repeat(begins, lengths) + _within(lengths)
    bucket = ngrams.buckets[:, position]
    keys = (row * spec.buckets + bucket).ravel()
    keys.sort()
    is_first = np.append(True, keys[1:] != keys[:-1]) if len(keys) else np.zeros(0, dtype=np.bool_)
    begin = np.flatnonzero(is_first)
    distinct = keys[begin]
    counts = np.diff(np.append(begin, len(keys))).astype(np.float64)
    edges = np.arange(len(block.message) + 1) * spec.buckets
    indptr = np.searchsorted(distinct, edges)
    totals = NGRAM_LENGTHS * lengths.reshape(2, -1).sum(axis=0)
    return csr_matrix(
        (counts / np.repeat(np.sqrt(totals), np.diff(indptr)), (distinct % spec.buckets).astype(np.int32), indptr),
        shape=(len(block.message), spec.buckets),
    )
