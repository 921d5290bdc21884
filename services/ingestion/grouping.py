"""Works out what new texts do to the campaigns; pure, the database is read before and written after."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.ingestion.campaigns import CROWD, Groups, Shape, are_near, hint_fingerprint


@dataclass(frozen=True)
class Placed:
    """A new report as far as campaigns are concerned."""

    shape: Shape
    source: str
    hint: str | None = None

    @property
    def hint_fingerprint(self) -> int | None:
        """What stands for the source's own name of the campaign, if it gives one."""
        return None if self.hint is None else hint_fingerprint(self.source, self.hint)


@dataclass
class Band:
    """The texts that share a band's key, by the campaign that each was in when it was read.

    Attributes:
        members: fingerprints by campaign.
        size: number of fingerprints.
        crowded: whether one row stands for a crowd, all of one campaign.
    """

    members: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    size: int = 0
    crowded: bool = False

    def add(self, fingerprint: int, campaign: int) -> None:
        """Makes a text a member."""
        self.members[campaign].append(fingerprint)
        self.size += 1


@dataclass(frozen=True)
class Known:
    """What the database knows of the texts and bands that a batch meets.

    Attributes:
        campaigns: campaign of each known fingerprint.
        signatures: its signature; empty for a source's name of a campaign, and for a text that no report has any more.
        bands: by key.
    """

    campaigns: dict[int, int] = field(default_factory=dict)
    signatures: dict[int, bytes] = field(default_factory=dict)
    bands: dict[int, Band] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a batch changes in the database.

    Attributes:
        patterns: signature and campaign of each fingerprint that is new, or has reports again.
        renamed: campaigns that are part of another one now, and of which.
        band_rows: key and fingerprint of each new member of a band.
        crowds: keys of bands that are crowded now, each with the one member that is to stand for all.
        counts: how many of the new reports each campaign gets.
    """

    patterns: dict[int, tuple[bytes, int]]
    renamed: dict[int, int]
    band_rows: list[tuple[int, int]]
    crowds: dict[int, int]
    counts: Counter[int]


def fresh_shapes(placed: Sequence[Placed], signatures: Mapping[int, bytes]) -> list[Shape]:
    """Gives the shapes whose texts no stored report has, each once: only these need to look for near-copies."""
    shapes = {entry.shape.fingerprint: entry.shape for entry in placed}
    return [shape for fingerprint, shape in shapes.items() if not signatures.get(fingerprint)]


def join(placed: Sequence[Placed], known: Known) -> Outcome:
    """Puts each text into the campaigns of its near-copies; the result does not depend on the order of arrival.

    Args:
        placed: one entry for each new report.
        known: all that is stored of their fingerprints and hints, and of the bands of `fresh_shapes`. It is used up.
    """
    return _Joining(known).run(placed)


class _Joining:
    def __init__(self, known: Known) -> None:
        self._known = known
        self._groups = Groups()
        self._stored_campaigns = set(known.campaigns.values())
        self._band_rows: list[tuple[int, int]] = []
        self._crowds: set[int] = set()

    def run(self, placed: Sequence[Placed]) -> Outcome:
        fresh = fresh_shapes(placed, self._known.signatures)
        patterns = {shape.fingerprint: shape.signature for shape in fresh}
        for shape in fresh:
            self._place(shape)
        for entry in placed:
            if (hint := entry.hint_fingerprint) is not None:
                if hint not in self._known.campaigns:
                    patterns[hint] = b""
                self._groups.join(self._campaign(hint), self._campaign(entry.shape.fingerprint))
        return Outcome(
            patterns={one: (signature, self._joined(one)) for one, signature in patterns.items()},
            renamed={old: new for old, new in self._groups.renamed().items() if old in self._stored_campaigns},
            band_rows=[(key, one) for key, one in self._band_rows if key not in self._crowds],
            crowds={key: min(_all(self._known.bands[key].members.values())) for key in self._crowds},
            counts=Counter(self._joined(entry.shape.fingerprint) for entry in placed),
        )

    def _campaign(self, fingerprint: int) -> int:
        return self._known.campaigns.setdefault(fingerprint, fingerprint)

    def _joined(self, fingerprint: int) -> int:
        return self._groups.find(self._campaign(fingerprint))

    def _place(self, shape: Shape) -> None:
        campaign = self._campaign(shape.fingerprint)
        self._known.signatures[shape.fingerprint] = shape.signature
        for key in set(shape.bands):
            band = self._known.bands.setdefault(key, Band())
            for other, fingerprints in band.members.items():
                if self._groups.find(other) != self._groups.find(campaign) and (
                    band.crowded or self._is_near(shape, fingerprints)
                ):
                    self._groups.join(other, campaign)
            if band.crowded:
                continue
            band.add(shape.fingerprint, campaign)
            self._band_rows.append((key, shape.fingerprint))
            if band.size >= CROWD:
                self._crowd(key, band)

    def _is_near(self, shape: Shape, fingerprints: Sequence[int]) -> bool:
        signatures = [self._known.signatures[one] for one in fingerprints]
        return bool(are_near(shape.signature, [signature for signature in signatures if signature]).any())

    def _crowd(self, key: int, band: Band) -> None:
        band.crowded = True
        self._crowds.add(key)
        first, *others = band.members
        for other in others:
            self._groups.join(first, other)


def _all(lists: Iterable[list[int]]) -> Iterable[int]:
    return (number for numbers in lists for number in numbers)
