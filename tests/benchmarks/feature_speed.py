"""Budget 4: features on one core, against scikit-learn's hashing vectorizer in the same run."""

from sklearn.feature_extraction.text import HashingVectorizer
from threadpoolctl import threadpool_limits

from mobile_model import features
from tests.benchmarks.messages import Messages
from tests.benchmarks.result import Result, interleaved_medians_seconds

BUCKETS_PER_SECOND = 50_000
MATRIX_PER_SECOND = 15_000


def benchmark(messages: Messages) -> list[Result]:
    """Times hashing and the sparse matrix."""
    texts, spec = messages.texts, features.FeatureSpec()
    usual = HashingVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False, n_features=spec.buckets)
    with threadpool_limits(1):
        hashing, matrix, peer = interleaved_medians_seconds(
            [
                lambda: sum(len(block.offsets) for block in features.bucket_indices(features.encode(texts), spec)),
                lambda: features.matrix(features.encode(texts), spec),
                lambda: usual.transform(texts),
            ],
            rounds=5,
            repeats=1,
        )
    count = len(texts)
    return [
        _rate("to bucket indices", count / hashing, count / peer, BUCKETS_PER_SECOND),
        _rate("to the sparse matrix", count / matrix, count / peer, MATRIX_PER_SECOND),
    ]


def _rate(name: str, ours: float, peer: float, budget: int) -> Result:
    return Result(name, f"{ours:,.0f} messages/s", f"scikit-learn's HashingVectorizer {peer:,.0f}/s",
                  f"{ours / peer:.1f} times faster", f"at least {budget:,} messages/s", ours >= budget)  # fmt: skip
