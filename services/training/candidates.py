"""Makes a candidate from what a run found: the graph and the card that phones need to use it."""

import gzip
import hashlib
from datetime import datetime

from mobile_model.classifier import HashedNgramClassifier
from mobile_model.graph import export, graph_metadata
from services.training.calibration import Calibration
from services.training.evaluation import Release
from services.training.figures import Evaluation
from services.training.recipe import Recipe
from shared.categories import Category
from shared.release_card import ModelFile, ReleaseCard, release_version


def make_candidate(
    classifier: HashedNgramClassifier,
    calibration: Calibration,
    recipe: Recipe,
    *,
    run_id: str,
    created_at: datetime,
    data_digest: str,
) -> Release:
    """Exports a classifier; equal weights give equal bytes. The card has no figures yet: see `with_figures`."""
    model = export(classifier)
    created_at = created_at.replace(microsecond=0)
    card = ReleaseCard(
        version=release_version(created_at, run_id),
        created_at=created_at,
        run_id=run_id,
        categories=tuple(Category),
        thresholds=calibration.thresholds,
        bounds=calibration.bounds,
        graph=graph_metadata(classifier),
        model=ModelFile(sha256=f"sha256:{hashlib.sha256(model).hexdigest()}", length_bytes=len(model)),
        data_digest=data_digest,
        recipe_digest=recipe.digest,
        evaluation={},
    )
    return Release(model, card)


def with_figures(candidate: Release, evaluation: Evaluation) -> Release:
    """Writes what the evaluation found into the card."""
    return Release(candidate.model, candidate.card.model_copy(update={"evaluation": evaluation.figures}))


def packed(model: bytes) -> bytes:
    """Compresses a model for the way; equal models give equal bytes within one image."""
    return gzip.compress(model, 9, mtime=0)
