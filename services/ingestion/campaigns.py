"""Near-copies: which messages are one campaign, whatever order they arrive in.

Two messages are near-copies if their folded texts share about 0.7 of their character trigrams (Jaccard). MinHash
estimates that from a fixed signature (Broder, "On the resemblance and containment of documents", 1997; the signature
keeps 8 bits of each hash: Li and König, "b-Bit Minwise Hashing", 2010), and bands of it find the candidates without
comparing all pairs. A campaign is a connected component. Both the candidates and the comparison depend on nothing but
the two texts, and so the campaigns do not depend on the order.

The hashing is vectorised over a batch in numpy: datasketch, which hashes message by message, takes 130 to 220 us for a
message of 70 characters on the machine where this takes 25, and a million messages must go in within ten minutes.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.folding import fold

SHINGLE_LENGTH: Final = 3
PERMUTATIONS: Final = 128
BANDS: Final = 10
ROWS: Final = 5
"""Ten bands of five hashes meet with probability .84 at Jaccard .7, .98 at .8 and .10 at .4."""
SIMILARITY: Final = 0.7
CROWD: Final = 256
"""From so many different texts on, a band joins all of them and is kept as one row, so that none grows without end.

All of them share five specific trigrams then, which at this size is a template and its variants."""

SHINGLES_AT_ONCE: Final = 512
"""So many are hashed under all permutations together, which fits the cache of a processor core."""

SLOT: Final = re.compile("⟦[a-z]+:[0-9]+⟧")
DIGITS: Final = re.compile("[0-9]+")


def _constants(word: str, count: int) -> NDArray[np.uint64]:
    """Gives numbers that never change, since signatures in databases depend on them."""
    digests = (hashlib.blake2b(f"{word} {i}".encode(), digest_size=8).digest() for i in range(count))
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


MULTIPLIERS: Final = _constants("multiplier", PERMUTATIONS) | np.uint64(1)
INCREMENTS: Final = _constants("increment", PERMUTATIONS)
BAND_SALTS: Final = _constants("band", BANDS)


@dataclass(frozen=True)
class Shape:
    """What is left of a text to tell near-copies by.

    Attributes:
        fingerprint: signed 64-bit hash of the normalised text; equal for copies that differ in digits only.
        signature: one byte for each of `PERMUTATIONS` hashes.
        bands: signed 64-bit keys; near-copies very likely share one.
    """

    fingerprint: int
    signature: bytes
    bands: tuple[int, ...]


def normalise(text: str) -> str:
    """Gives the folded text with every slot and every run of digits as one 0."""
    return DIGITS.sub("0", fold(SLOT.sub("0", text)))


def hint_fingerprint(source: str, hint: str) -> int:
    """Gives the fingerprint that stands for a source's own name of a campaign."""
    return _signed(hashlib.blake2b(f"hint\0{source}\0{hint}".encode(), digest_size=8).digest())


def campaign_name(campaign: int) -> str:
    """Gives the id of a campaign as clients see it."""
    return format(campaign & 0xFFFF_FFFF_FFFF_FFFF, "016x")


def campaign_number(name: str) -> int | None:
    """Gives the number of a campaign's name, or None if it is no such name."""
    if not re.fullmatch("[0-9a-f]{16}", name):
        return None
    return _signed(bytes.fromhex(name))


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)


def shapes(texts: Sequence[str]) -> list[Shape]:
    """Gives the shape of each text.

    Works on a whole batch at once; the shape of a text does not depend on the others in it.
    """
    if not texts:
        return []
    normalised = [normalise(text) for text in texts]
    padded = [text.ljust(SHINGLE_LENGTH, "\0") for text in normalised]
    lengths = np.array([len(text) for text in padded])
    hashes = _min_hashes(padded, lengths)
    keys = _band_keys(hashes)
    return [
        Shape(
            _signed(hashlib.blake2b(text.encode(), digest_size=8).digest()),
            signature.tobytes(),
            tuple(key.tolist()),
        )
        for text, signature, key in zip(normalised, hashes.astype(np.uint8), keys, strict=True)
    ]


def _min_hashes(padded: list[str], lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Gives the least hash of every text under every permutation, uint32[texts, PERMUTATIONS]."""
    symbols = np.frombuffer("".join(padded).encode("utf-16-le"), dtype="<u2").astype(np.uint64)
    ends = np.cumsum(lengths)
    trigrams = symbols.copy()
    trigrams[:-1] |= symbols[1:] << np.uint64(16)
    trigrams[:-2] |= symbols[2:] << np.uint64(32)
    inside = np.ones(len(symbols), dtype=np.bool_)
    inside[np.concatenate([ends - 1, ends - 2])] = False
    mixed = _mix(trigrams[inside])
    bounds = np.append(ends - lengths - (SHINGLE_LENGTH - 1) * np.arange(len(padded)), len(mixed))
    least = np.empty((len(padded), PERMUTATIONS), dtype=np.uint32)
    start = 0
    while start < len(padded):
        stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + SHINGLES_AT_ONCE)) - 1)
        some = mixed[bounds[start] : bounds[stop], np.newaxis]
        hashed = (some * MULTIPLIERS + INCREMENTS) >> np.uint64(32)
        least[start:stop] = np.minimum.reduceat(hashed, bounds[start:stop] - bounds[start])
        start = stop
    return least


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spreads 64 bits evenly (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _band_keys(hashes: NDArray[np.uint32]) -> NDArray[np.int64]:
    rows = hashes[:, : BANDS * ROWS].reshape(len(hashes), BANDS, ROWS).astype(np.uint64)
    keys = np.broadcast_to(BAND_SALTS, (len(hashes), BANDS)).copy()
    for row in range(ROWS):
        keys = _mix((keys ^ rows[:, :, row]) + np.uint64(0x9E3779B97F4A7C15))
    return keys.view(np.int64)


def are_near(signature: bytes, others: Sequence[bytes]) -> NDArray[np.bool_]:
    """Tells for each of the other signatures whether it belongs to a near-copy, bool[len(others)].

    Of the bytes that agree, one in 256 does by chance, which the estimate takes off.
    """
    if not others:
        return np.zeros(0, dtype=np.bool_)
    table = np.frombuffer(b"".join(others), dtype=np.uint8).reshape(len(others), PERMUTATIONS)
    agreement = (table == np.frombuffer(signature, dtype=np.uint8)).mean(axis=1)
    jaccard: NDArray[np.float64] = (agreement - 1 / 256) / (1 - 1 / 256)
    return jaccard >= SIMILARITY


class Groups:
    """Campaigns that turn out to be one: every set of joined numbers is named by its smallest."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def find(self, number: int) -> int:
        """Gives the smallest number joined with this one."""
        root = number
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while (parent := self._parents.get(number, number)) != root:
            self._parents[number] = root
            number = parent
        return root

    def join(self, one: int, other: int) -> None:
        """Makes two sets one."""
        low, high = sorted((self.find(one), self.find(other)))
        if low != high:
            self._parents[high] = low

    def renamed(self) -> dict[int, int]:
        """Gives the new name of every number that is not its own any more."""
        return {number: self.find(number) for number in self._parents if self.find(number) != number}
