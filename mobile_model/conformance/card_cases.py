"""Release cards, sound and not, as one change of `card.json` each."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_ABSENT: Final = object()
_DIGEST: Final = "sha256:" + "0" * 64


def card_cases() -> Iterator[Mapping[str, Any]]:
    """Gives a change and the answer: `accepted`, `refused`, or `newer_client` where a newer phone could read it."""
    yield {"answer": "accepted", "change": []}
    yield _change("accepted", "requires_client", 1)
    yield _change("accepted", "created_at", "2026-03-01T08:00:00+08:00")
    yield _change("accepted", "thresholds/strict/porn", {"warn": 0.0, "block": 1.0})
    yield _change("accepted", "thresholds/strict/porn", {"warn": 0.5, "block": 0.5})
    yield _change("accepted", "data_digest", _DIGEST)
    yield _change("accepted", "bounds", {})
    yield _change("accepted", "evaluation", {})

    yield _change("newer_client", "requires_client", 2)
    yield {
        "answer": "newer_client",
        "change": [{"path": "requires_client", "value": 9}, {"path": "format", "value": "quietline-release/9"}],
    }
    yield {
        "answer": "newer_client",
        "change": [{"path": "requires_client", "value": 9}, {"path": "thresholds"}, {"path": "surprise", "value": 1}],
    }

    for path in ("version", "created_at", "run_id", "categories", "thresholds", "graph", "model", "data_digest"):
        yield _change("refused", path)
    yield _change("refused", "format", "quietline-release/2")
    yield _change("refused", "requires_client", 0)
    yield _change("refused", "requires_client", "later")
    yield _change("refused", "surprise", 1)
    yield _change("refused", "version", "latest")
    yield _change("refused", "version", "../../20260101-000000-0123abcd")
    yield _change("refused", "version", "20260101-000000-0123ABCD")
    yield _change("refused", "created_at", "2026-03-01T08:00:00")
    yield _change("refused", "created_at", "yesterday")
    yield _change("refused", "run_id", "0123")
    yield _change("refused", "categories", [])
    yield _change("refused", "categories/0", "porn")
    yield _change("refused", "categories/0", "something else")
    yield _change("refused", "thresholds/gentle")
    yield _change("refused", "thresholds/strict/illegal")
    yield _change("refused", "thresholds/harsh", {})
    yield _change("refused", "thresholds/normal/fraud/warn")
    yield _change("refused", "thresholds/normal/fraud", {"warn": 0.75, "block": 0.5})
    yield _change("refused", "thresholds/normal/fraud/warn", -0.01)
    yield _change("refused", "thresholds/normal/fraud/block", 1.01)
    yield _change("refused", "thresholds/normal/fraud/block", None)
    yield _change("refused", "model/sha256", "md5:0")
    yield _change("refused", "model/sha256", "sha256:" + "G" * 64)
    yield _change("refused", "model/length_bytes", -1)
    yield _change("refused", "data_digest", "")

    for raw in ("", "null", "[]", '"card"', "{", '{"format":"quietline-release/1"}', "[" * 10_000):
        yield {"answer": "refused", "raw": raw}


def _change(answer: str, path: str, value: object = _ABSENT) -> Mapping[str, Any]:
    """Sets what lies at a path of keys and positions to a value, or removes it if no value is given."""
    change = {"path": path} if value is _ABSENT else {"path": path, "value": value}
    return {"answer": answer, "change": [change]}
