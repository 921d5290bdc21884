"""The small release that the vectors are made with: the same bytes whenever it is made."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from scipy.sparse import csr_matrix, vstack

from mobile_model import features
from mobile_model.classifier import HashedNgramClassifier
from mobile_model.conformance.messages import MESSAGES
from mobile_model.features import WHOLE_VIEWS
from mobile_model.graph import export, graph_metadata
from shared.categories import HARASSMENT, Category, Strictness
from shared.release_card import (
    CategoryFigures,
    ModelFile,
    RateBound,
    ReleaseCard,
    Threshold,
    release_version,
)

_MADE_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_RUN_ID: Final = hashlib.sha256(b"conformance").hexdigest()[:32]
_NO_CAMPAIGNS: Final = RateBound(wanted=0.01, upper=1.0, confidence=0.95, campaigns=0, campaigns_hit=0)

THRESHOLDS: Final = {
    Strictness.GENTLE: (0.75, 0.96875),
    Strictness.NORMAL: (0.5, 0.875),
    Strictness.STRICT: (0.25, 0.625),
}
"""Warn and block for each strictness. Sums of binary fractions, so that every language meets them exactly."""
ILLEGAL_THRESHOLDS: Final = (0.8125, 0.984375)
"""Of the category illegal at each strictness: a client that forgets that thresholds differ by category is found out."""

_L2: Final = 0.01
_MAX_ITERATIONS: Final = 40


@dataclass(frozen=True)
class ConformanceRelease:
    """A classifier, its model file and its card."""

    classifier: HashedNgramClassifier
    model: bytes
    card: ReleaseCard


def make_release() -> ConformanceRelease:
    """Trains on `MESSAGES`: harassment end to end, all else by its windows too, so that hidden harassment is found."""
    classifier = HashedNgramClassifier(l2=_L2, max_iterations=_MAX_ITERATIONS)
    rows: list[csr_matrix] = []
    categories: list[str] = []
    for category, texts in MESSAGES.items():
        corpus = features.encode(texts)
        if category in HARASSMENT:
            rows += [features.matrix(corpus, classifier.features, view) for view in range(WHOLE_VIEWS)]
        else:
            rows.append(features.views(corpus, classifier.features)[0])
        categories += [category] * (sum(part.shape[0] for part in rows) - len(categories))
    classifier.fit_matrix(vstack(rows, format="csr"), categories)
    model = export(classifier)
    return ConformanceRelease(classifier, model, _card(classifier, model))


def _card(classifier: HashedNgramClassifier, model: bytes) -> ReleaseCard:
    return ReleaseCard(
        version=release_version(_MADE_AT, _RUN_ID),
        created_at=_MADE_AT,
        run_id=_RUN_ID,
        categories=tuple(Category),
        thresholds={
            strictness: {
                category: Threshold(warn=warn, block=block)
                for category in HARASSMENT
                for warn, block in [ILLEGAL_THRESHOLDS if category is Category.ILLEGAL else pair]
            }
            for strictness, pair in THRESHOLDS.items()
        },
        bounds={strictness: {"warn": _NO_CAMPAIGNS, "block": _NO_CAMPAIGNS} for strictness in Strictness},
        graph=graph_metadata(classifier),
        model=ModelFile(sha256=_digest(model), length_bytes=len(model)),
        data_digest=_digest(json.dumps(MESSAGES).encode()),
        recipe_digest=_digest(json.dumps([_L2, _MAX_ITERATIONS]).encode()),
        evaluation={category: CategoryFigures(messages=0, precision=None, recall=None) for category in Category},
    )


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
