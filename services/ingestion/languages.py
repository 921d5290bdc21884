"""Tells roughly which language and script a message is written in."""

import re
from typing import Final

from shared.folding import codepoints, fold_codepoints

CHINESE: Final = re.compile("[㐀-䶿一-鿿]")
LATIN: Final = re.compile("[A-Za-z]")
TRADITIONAL_SHARE: Final = 0.1
"""At least so much of the characters differs from the simplified form in a traditional text."""


def tell_language(text: str) -> str:
    """Gives `zh-Hans`, `zh-Hant`, `en` or `und`.

    Folding turns traditional characters into simplified ones, so those that it changes tell the script. Latin
    letters without Chinese count as English: good enough to group figures by, not a language detector.
    """
    chinese = "".join(CHINESE.findall(text))
    if chinese:
        points = codepoints(chinese)
        changed = int((fold_codepoints(points) != points).sum())
        return "zh-Hant" if changed > len(chinese) * TRADITIONAL_SHARE else "zh-Hans"
    return "en" if LATIN.search(text) else "und"
