"""What a mask looks like."""

import re
from typing import Final

TYPES: Final = (
    "code", "id", "card", "account", "phone", "number", "name", "plate", "address",
    "link", "wechat", "qq", "email", "tracking", "order",
)  # fmt: skip
MAX_SLOT_LENGTH: Final = 99
"""A longer value gets a slot of this length, so that a forged slot cannot blow a text up when it is filled."""

SLOT: Final = re.compile(f"⟦({'|'.join(TYPES)}):([1-9][0-9]?)⟧", re.ASCII)
ATOM: Final = "⟦"
"""Stands for one slot in the text that the rules see; folding gives it to nothing else."""


def slot(kind: str, length: int) -> str:
    """Writes a slot."""
    return f"⟦{kind}:{length}⟧"
