"""Vectors that a phone in any language must pass, and the small release that they were made with.

README.md says what the files hold; `python -m mobile_model.conformance` makes them anew.
"""

import json
from importlib.resources import files
from typing import Any, Final

VECTOR_FILES: Final = (
    "encoding", "fold", "scores", "policy", "senders", "platforms", "cards", "channels",
)  # fmt: skip
MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "card.json"

_FOLDER: Final = files(__package__)


def read(name: str) -> bytes:
    """Gives a file of this folder as it is committed."""
    return _FOLDER.joinpath(name).read_bytes()


def read_vectors(name: str) -> list[dict[str, Any]]:
    """Gives the vectors of one of `VECTOR_FILES`."""
    return [json.loads(line) for line in read(f"{name}.jsonl").splitlines()]
