import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_matrix
from sklearn.linear_model import LogisticRegression

from mobile_model import features, portable_math, regression
from mobile_model.packed_partition import PackedPartition
from mobile_model.regression import Partition, Together

L2 = 0.5


@pytest.fixture
def messages() -> Partition:
    random = np.random.default_rng(7)
    rows = csr_matrix(random_matrix(400, 60, 0.2, random_state=random, format="csr"))
    truth = rows @ random.normal(size=(60, 7)) * 3
    labels = (truth + random.gumbel(size=truth.shape)).argmax(axis=1)
    return Partition(rows, labels, random.uniform(0.5, 2.0, size=400))


def fit(messages: Partition, **changes: object) -> np.ndarray:
    settings: dict[str, object] = {"l2": L2, "max_iterations": 500, "tolerance": 0.0, **changes}
    start = np.zeros((messages.features.shape[1] + 1, 7))
    with ThreadPoolExecutor(2) as threads:
        return regression.fit(Together(messages.split(4), threads.map), start, **settings)  # type: ignore[arg-type]


def test_the_weights_are_those_of_scikit_learn(messages: Partition) -> None:
    peer = LogisticRegression(C=1 / L2, tol=1e-10, max_iter=5000).fit(
        messages.features, messages.labels, messages.weights
    )
    ours = fit(messages)
    assert np.abs(ours[:-1] - peer.coef_.T).max() < 1e-5
    ours_bias, peer_bias = ours[-1] - ours[-1].mean(), peer.intercept_ - peer.intercept_.mean()
    assert np.abs(ours_bias - peer_bias).max() < 1e-5


def test_the_loss_of_all_is_the_sum_over_any_partitions(messages: Partition) -> None:
    parameters = np.random.default_rng(1).normal(size=(61, 7))
    whole_loss, whole_gradient = messages.loss_and_gradient(parameters)
    whole_weight, whole_squares = messages.weight_and_squares()
    for parts in (1, 3, 10):
        together = Together(messages.split(parts))
        loss, gradient = together.loss_and_gradient(parameters)
        assert loss == pytest.approx(whole_loss, rel=1e-12)
        assert np.abs(gradient - whole_gradient).max() < 1e-9
        weight, squares = together.weight_and_squares()
        assert weight == pytest.approx(whole_weight, rel=1e-12)
        assert np.abs(squares - whole_squares).max() < 1e-9


def test_the_gradient_is_the_slope_of_the_loss(messages: Partition) -> None:
    random = np.random.default_rng(2)
    parameters, direction = random.normal(size=(61, 7)), random.normal(size=(61, 7))
    _, gradient = messages.loss_and_gradient(parameters)
    ahead, _ = messages.loss_and_gradient(parameters + 1e-6 * direction)
    behind, _ = messages.loss_and_gradient(parameters - 1e-6 * direction)
    assert (ahead - behind) / 2e-6 == pytest.approx((gradient * direction).sum(), rel=1e-6)


def test_weights_do_not_depend_on_the_number_of_threads(messages: Partition) -> None:
    parts, start = messages.split(4), np.zeros((61, 7))

    def fit_by(threads: int) -> bytes:
        with ThreadPoolExecutor(threads) as pool:
            together = Together(parts, pool.map)
            return regression.fit(together, start, l2=L2, max_iterations=25, tolerance=0.0).tobytes()

    assert fit_by(1) == fit_by(2) == fit_by(4)


@pytest.fixture
def counted() -> Partition:
    """Rows as `features.matrix` makes them, one of them with a count that needs two bytes."""
    texts = ["您的验证码是123456", "哈" * 400, "", "加微信 hello"]
    rows = features.matrix(features.encode(texts), features.FeatureSpec())
    return Partition(rows, np.array([1, 3, 0, 2]), np.array([1.0, 0.5, 2.0, 0.25]))


def test_a_packed_partition_gives_the_same_sums(counted: Partition) -> None:
    parameters = np.random.default_rng(3).normal(size=(counted.features.shape[1] + 1, 7))
    for each in (counted, *counted.split(4)):
        packed = PackedPartition.pack(each)
        for ours, theirs in (
            (packed.loss_and_gradient(parameters), each.loss_and_gradient(parameters)),
            (packed.weight_and_squares(), each.weight_and_squares()),
        ):
            assert ours[0] == pytest.approx(theirs[0], rel=1e-14)
            assert np.abs(ours[1] - theirs[1]).max() < 1e-14


def test_a_packed_partition_is_small(counted: Partition) -> None:
    usual = PackedPartition.pack(counted.split(4)[0])
    assert usual.buckets.itemsize + usual.counts.itemsize == 3
    assert PackedPartition.pack(counted).counts.itemsize == 2
    assert PackedPartition.pack(counted).counts.max() > 255


DIGEST_OF_A_FIT = """
import hashlib
from tests.mobile_model.small_release import train
from tests.mobile_model.texts import TEXTS
fitted = train()
print(hashlib.sha256(fitted.coef_.tobytes() + fitted.predict_proba(TEXTS).tobytes()).hexdigest())
"""


def test_weights_do_not_depend_on_the_processor() -> None:
    """Numpy and OpenBLAS do without what newer processors have; what they add and compute themselves changes then."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # noqa: PLC0415

    present = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    older = {"NPY_DISABLE_CPU_FEATURES": " ".join(present), "OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"}
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST_OF_A_FIT], env={**os.environ, **changes}, check=True, capture_output=True
        ).stdout
        for changes in ({}, older)
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())


class StoppedError(Exception):
    pass


def test_what_the_callback_raises_ends_the_fit(messages: Partition) -> None:
    told: list[int] = []

    def stop(iteration: int, loss: float) -> None:
        told.append(iteration)
        assert loss > 0
        if iteration == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(messages, on_iteration=stop)
    assert told == [1, 2, 3]


def test_the_loss_falls_in_every_iteration(messages: Partition) -> None:
    losses: list[float] = []
    fit(messages, on_iteration=lambda _, loss: losses.append(loss), tolerance=1e-9)
    assert losses == sorted(losses, reverse=True)
    assert 5 < len(losses) < 200


def test_a_start_near_the_end_saves_iterations(messages: Partition) -> None:
    def iterations(start: np.ndarray) -> int:
        told: list[int] = []
        regression.fit(
            messages,
            start,
            l2=L2,
            max_iterations=500,
            tolerance=1e-7,
            on_iteration=lambda iteration, _: told.append(iteration),
        )
        return len(told)

    assert iterations(fit(messages)) <= 2
    assert iterations(np.zeros((61, 7))) > 8


def test_a_message_of_weight_two_counts_as_two(messages: Partition) -> None:
    twice = Partition(messages.features, messages.labels, np.full(400, 2.0))
    rows = np.repeat(np.arange(400), 2)
    repeated = Partition(messages.features[rows], messages.labels[rows], np.ones(800))
    assert np.abs(fit(twice) - fit(repeated)).max() < 1e-5


def test_portable_functions_are_exact_to_the_last_digits() -> None:
    random = np.random.default_rng(3)
    negative = -random.exponential(60.0, size=20_000).clip(0, 700)
    assert np.abs(portable_math.exp(negative) / np.exp(negative) - 1).max() < 1e-15
    assert portable_math.exp(np.array([0.0])).tolist() == [1.0]
    assert 0 <= portable_math.exp(np.array([-1e300]))[0] < 1e-300
    positive = np.exp(random.uniform(-50, 50, size=20_000))
    assert np.abs(portable_math.log(positive) - np.log(positive)).max() < 2e-14
    assert portable_math.log(np.array([1.0])).tolist() == [0.0]
