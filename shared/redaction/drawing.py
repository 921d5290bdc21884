"""Choices that a seed alone decides, on any platform and in any language: no library's generator is asked."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Draw:
    """A stream of choices, the same wherever it is drawn.

    The n-th is SHA-256 of the seed, a zero byte and n in decimal: its first eight bytes modulo the number of options.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode("utf8", "surrogatepass")
        self._count = 0

    def below(self, limit: int) -> int:
        """Gives a whole number from 0 to limit - 1."""
        digest = hashlib.sha256(self._seed + b"\0" + str(self._count).encode()).digest()
        self._count += 1
        return int.from_bytes(digest[:8], "big") % limit

    def one(self, options: Sequence[Item]) -> Item:
        """Gives one of the options."""
        return options[self.below(len(options))]

    def text(self, alphabet: str, length: int) -> str:
        """Gives a text of so many characters of the alphabet, none if the length is below 1."""
        return "".join(self.one(alphabet) for _ in range(length))
