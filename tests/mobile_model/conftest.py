"""One small fitted classifier for all tests of the phone, its graph and its card; a publisher and its clock."""

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from mobile_model import graph
from mobile_model.classifier import HashedNgramClassifier
from mobile_model.scorer import Scorer
from shared.folding import codepoints
from shared.release_card import ReleaseCard
from tests.mobile_model.small_release import SmallRelease, make_release
from tests.mobile_model.updater.repository_simulator import Clock, Repository

Answer = dict[str, NDArray[np.generic]]
Run = Callable[[str], Answer]


@pytest.fixture(scope="session")
def release() -> SmallRelease:
    return make_release()


@pytest.fixture(scope="session")
def classifier(release: SmallRelease) -> HashedNgramClassifier:
    return release.classifier


@pytest.fixture(scope="session")
def model(release: SmallRelease) -> bytes:
    return release.model


@pytest.fixture(scope="session")
def card(release: SmallRelease) -> ReleaseCard:
    return release.card


@pytest.fixture(scope="session")
def scorer(model: bytes, card: ReleaseCard) -> Scorer:
    return Scorer(model, card)


@pytest.fixture(scope="session")
def session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="session")
def run(session: onnxruntime.InferenceSession) -> Run:
    """Runs the graph with explanation on a text."""

    def answer(text: str) -> Answer:
        inputs = {"codepoints": codepoints(text), "explain": np.array(1, dtype=np.bool_)}
        return dict(zip(graph.OUTPUTS, session.run(list(graph.OUTPUTS), inputs), strict=True))

    return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repository(clock: Clock) -> Repository:
    made = Repository(clock)
    made.offer(None)
    return made
