"""Which messages of a corpus are near-copies, as campaigns are: Jaccard 0.7 over folded trigrams, digits masked."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.ingestion.campaigns import CROWD, Groups, are_near, shapes
from services.ingestion.starter_corpus.scenarios import Message
from services.ingestion.starter_corpus.slots import SLOT

_SLOT_AS_MASK: Final = "⟦name:1⟧"
"""Every slot, whatever it becomes, counts as one digit does: messages multiplied by slots are copies."""


@dataclass(frozen=True)
class Copies:
    """Near-copies among the messages of a corpus; messages are named by their places in it.

    Attributes:
        of_earlier: for each message that has near-copies before it, the first of these, twins of its pair aside.
        first: for each message, the first one of all that it is joined with by a chain of near-copies; itself if none.
    """

    of_earlier: dict[int, int]
    first: Sequence[int]


def find_copies(messages: Sequence[Message]) -> Copies:
    """Finds the near-copies."""
    found = shapes([SLOT.sub(_SLOT_AS_MASK, message.written) for message in messages])
    buckets: defaultdict[int, list[int]] = defaultdict(list)
    groups = Groups()
    of_earlier: dict[int, int] = {}
    for place, (message, shape) in enumerate(zip(messages, found, strict=True)):
        candidates: set[int] = set()
        for band in shape.bands:
            candidates.update(buckets[band][:CROWD])
            buckets[band].append(place)
        earlier = sorted(candidates)
        is_near = are_near(shape.signature, [found[other].signature for other in earlier])
        for other in (other for other, near in zip(earlier, is_near.tolist(), strict=True) if near):
            groups.join(other, place)
            if message.pair is None or messages[other].pair != message.pair:
                of_earlier.setdefault(place, other)
    return Copies(of_earlier, [groups.find(place) for place in range(len(messages))])
