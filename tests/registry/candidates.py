"""Candidates as training would submit them, without a training run."""

import gzip
import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.categories import HARASSMENT, LEGITIMATE, PROTECTED_TOPICS, Category, Strictness
from shared.release_card import (
    CategoryFigures,
    Evidence,
    ModelFile,
    PairedCounts,
    RateBound,
    ReleaseCard,
    Threshold,
    release_version,
)

FIRST_RUN_AT = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """What one run submits."""

    card: ReleaseCard
    evidence: Evidence
    model: bytes
    compressed: bytes

    @property
    def version(self) -> str:
        return self.card.version

    def parts(self) -> dict[str, Any]:
        """Gives the multipart form for Flask's test client."""
        return {
            "card": (io.BytesIO(self.card.to_json()), "card.json"),
            "evidence": (io.BytesIO(self.evidence.model_dump_json().encode()), "evidence.json"),
            "model": (io.BytesIO(self.compressed), "model.onnx.gz"),
        }


def group(kind: str, name: str, messages: int, wrong: int = 0, *, lost: int = 0, won: int = 0) -> PairedCounts:
    """Counts of a group; without a reference everything right counts as won."""
    return PairedCounts.model_validate(
        {
            "kind": kind,
            "name": name,
            "messages": messages,
            "both_right": 0 if not (lost or won) else messages - wrong - won,
            "only_candidate_right": messages - wrong if not (lost or won) else won,
            "only_reference_right": lost,
            "both_wrong": wrong - lost,
        }
    )


def good_groups() -> dict[str, PairedCounts]:
    """Counts of a candidate that deserves to pass, by `<kind> <name>`."""
    groups = [
        *(group("category", category, 60, 12) for category in HARASSMENT),
        group("category", Category.PROMOTION, 80, 1),
        *(group("legitimate", category, 150, 1) for category in LEGITIMATE),
        *(group("topic", topic, 30) for topic in PROTECTED_TOPICS),
    ]
    return {f"{counts.kind} {counts.name}": counts for counts in groups}


def good_evidence(reference: str | None = None, **changed: PairedCounts) -> Evidence:
    """Evidence of a candidate that deserves to pass, but for the changed groups (`category_porn=...`)."""
    groups = good_groups() | {name.replace("_", " ", 1): counts for name, counts in changed.items()}
    return Evidence(reference=reference, held_out_digest=digest(b"held out"), groups=tuple(groups.values()))


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def make_candidate(
    number: int = 1, *, content: bytes | None = None, evidence: Evidence | None = None, **card: Any
) -> Candidate:
    """Makes the candidate of the run with this number; each has a model of its own."""
    run_id = hashlib.md5(str(number).encode()).hexdigest()
    created_at = FIRST_RUN_AT + timedelta(days=number)
    model = content if content is not None else f"model {number} ".encode() * 2000
    values = {
        "version": release_version(created_at, run_id),
        "created_at": created_at,
        "run_id": run_id,
        "categories": tuple(Category),
        "thresholds": {
            strictness: {category: Threshold(warn=0.6, block=0.9) for category in HARASSMENT}
            for strictness in Strictness
        },
        "bounds": {
            strictness: {
                action: RateBound(wanted=0.01, upper=0.02, confidence=0.95, campaigns=300, campaigns_hit=2)
                for action in ("warn", "block")
            }
            for strictness in Strictness
        },
        "graph": {"buckets": "32768"},
        "model": ModelFile(sha256=digest(model), length_bytes=len(model)),
        "data_digest": digest(b"data"),
        "recipe_digest": digest(b"recipe"),
        "evaluation": {category: CategoryFigures(messages=60, precision=0.9, recall=0.8) for category in Category},
    }
    made = ReleaseCard.model_validate(values | card)
    return Candidate(made, evidence or good_evidence(), model, gzip.compress(model, mtime=0))


def as_json(text: bytes) -> Any:
    return json.loads(text)


FIRST = make_candidate(1)
SECOND = make_candidate(2, evidence=good_evidence(FIRST.version))
BAD = make_candidate(3, evidence=good_evidence(category_porn=group("category", "porn", 60, 60)))
"""One that the gate refuses."""
UNKNOWN = "20200101-000000-00000000"
"""The version of a release that was never submitted."""
