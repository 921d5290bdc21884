"""A release card says all that a phone needs, or is none."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from shared.categories import HARASSMENT, Category, Strictness
from shared.release_card import PairedCounts, ReleaseCard, release_version

DIGEST = "sha256:" + "0" * 64


def card_content() -> dict[str, Any]:
    bound = {"wanted": 0.01, "upper": 0.02, "confidence": 0.95, "campaigns": 100, "campaigns_hit": 0}
    return {
        "version": "20260301-080000-0123abcd",
        "created_at": "2026-03-01T08:00:00Z",
        "run_id": "0123abcd" * 4,
        "categories": list(Category),
        "thresholds": {s: {c: {"warn": 0.5, "block": 0.9} for c in HARASSMENT} for s in Strictness},
        "bounds": {s: {"warn": bound, "block": bound} for s in Strictness},
        "graph": {"buckets": "32768"},
        "model": {"sha256": DIGEST, "length_bytes": 5},
        "data_digest": DIGEST,
        "recipe_digest": DIGEST,
        "evaluation": {c: {"messages": 1, "precision": None, "recall": 1.0} for c in Category},
    }


def test_a_card_survives_the_road_to_the_phone() -> None:
    card = ReleaseCard.model_validate(card_content())
    assert ReleaseCard.from_json(card.to_json()) == card
    assert ReleaseCard.from_json(card.to_json()).to_json() == card.to_json()


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("format", "quietline-release/2"),
        ("version", "latest"),
        ("categories", list(reversed(Category))),
        ("thresholds", {}),
        ("thresholds", {s: {c: {"warn": 0.9, "block": 0.5} for c in HARASSMENT} for s in Strictness}),
        ("thresholds", {s: {c: {"warn": 0.5, "block": float("nan")} for c in HARASSMENT} for s in Strictness}),
        ("data_digest", "md5:0"),
        ("created_at", "2026-03-01T08:00:00"),
        ("surprise", 1),
    ],
)
def test_a_faulty_card_is_refused(change: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ReleaseCard.model_validate(card_content() | {change: value})


def test_paired_counts_must_add_up() -> None:
    counts = {"both_right": 1, "only_candidate_right": 2, "only_reference_right": 3, "both_wrong": 4}
    assert PairedCounts(kind="topic", name="code", messages=10, **counts).candidate_right == 3
    with pytest.raises(ValidationError):
        PairedCounts(kind="topic", name="code", messages=11, **counts)


def test_the_version_is_the_same_in_every_time_zone() -> None:
    moment = datetime(2026, 3, 1, 8, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=8)))
    assert (
        release_version(moment, "0123abcd" * 4)
        == release_version(elsewhere, "0123abcd" * 4)
        == "20260301-080000-0123abcd"
    )
