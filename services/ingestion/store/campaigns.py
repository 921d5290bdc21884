"""Campaigns: each new text joins those it is near to, and campaigns that meet become one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, bindparam, delete, func, select, update
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from services.ingestion.campaigns import shapes
from services.ingestion.grouping import Band, Known, Outcome, Placed, fresh_shapes, join
from services.ingestion.store.statements import before, chunks, insert_tuples, is_postgresql, table, upsert
from services.ingestion.store.tables import BandRow, CampaignRow, PatternRow, ReportRow

INTAKE_LOCK: Final = 0x1A7A4E
"""Any number that all replicas agree on."""


@dataclass(frozen=True)
class Campaign:
    """Near-copies and how many people reported them."""

    id: int
    reports: int
    reporters: int
    by_category: dict[str, int]
    first_received_at: datetime
    last_received_at: datetime
    example: str


def place(session: Session, placed: Sequence[Placed]) -> None:
    """Puts new reports into their campaigns, before their rows are stored.

    Args:
        session: an open transaction beside which no other one places reports.
        placed: one entry for each new report.
    """
    known = Known()
    fingerprints = {entry.shape.fingerprint for entry in placed}
    _read_patterns(
        session, known, fingerprints | {hint for one in placed if (hint := one.hint_fingerprint) is not None}
    )
    _read_bands(session, known, {key for shape in fresh_shapes(placed, known.signatures) for key in shape.bands})
    _write(session, join(placed, known))


PATTERNS_OF: Final = select(PatternRow.fingerprint, PatternRow.campaign, PatternRow.signature).where(
    PatternRow.fingerprint.in_(bindparam("fingerprints", expanding=True))
)
BANDS_OF: Final = (
    select(BandRow.key, BandRow.crowded, PatternRow.fingerprint, PatternRow.campaign, PatternRow.signature)
    .join(PatternRow, PatternRow.fingerprint == BandRow.fingerprint)
    .where(BandRow.key.in_(bindparam("keys", expanding=True)))
)


def _read_patterns(session: Session, known: Known, fingerprints: Iterable[int]) -> None:
    for part in chunks(sorted(fingerprints)):
        for fingerprint, campaign, signature in session.connection().execute(PATTERNS_OF, {"fingerprints": part}):
            known.campaigns[fingerprint] = campaign
            known.signatures[fingerprint] = signature


def _read_bands(session: Session, known: Known, keys: Iterable[int]) -> None:
    for part in chunks(sorted(keys)):
        for key, crowded, fingerprint, campaign, signature in session.connection().execute(BANDS_OF, {"keys": part}):
            known.campaigns[fingerprint] = campaign
            known.signatures[fingerprint] = signature
            band = known.bands.setdefault(key, Band())
            band.crowded |= crowded
            band.add(fingerprint, campaign)


def _write(session: Session, outcome: Outcome) -> None:
    connection, postgres = session.connection(), is_postgresql(session)
    if outcome.patterns:
        connection.execute(
            upsert(postgres, PatternRow, "signature", adds=False),
            [
                {"fingerprint": fingerprint, "signature": signature, "campaign": campaign}
                for fingerprint, (signature, campaign) in outcome.patterns.items()
            ],
        )
    for part in chunks(sorted(outcome.crowds)):
        connection.execute(delete(BandRow).where(BandRow.key.in_(part)))
    bands = [(key, one, False) for key, one in sorted(outcome.band_rows)]
    bands += [(key, one, True) for key, one in outcome.crowds.items()]
    insert_tuples(session, BandRow, ("key", "fingerprint", "crowded"), bands)
    counts = outcome.counts.copy()
    for old, new in outcome.renamed.items():
        connection.execute(update(PatternRow).where(PatternRow.campaign == old).values(campaign=new))
        merged = delete(CampaignRow).where(CampaignRow.id == old).returning(CampaignRow.reports)
        counts[new] += connection.scalar(merged) or 0
    connection.execute(
        upsert(postgres, CampaignRow, "reports", adds=True),
        [{"id": campaign, "reports": count} for campaign, count in counts.items() if count],
    )


WAITING: Final = select(ReportRow.number, ReportRow.text, ReportRow.source).where(ReportRow.fingerprint.is_(None))
SET_FINGERPRINT: Final = (
    update(table(ReportRow))
    .where(table(ReportRow).c.number == bindparam("report_number"))
    .values(fingerprint=bindparam("new_fingerprint"))
)


def has_waiting(session: Session) -> bool:
    """Tells whether a report waits for its place in a campaign."""
    return session.connection().execute(WAITING.limit(1)).first() is not None


def place_waiting(session: Session, limit: int) -> None:
    """Puts the single reports that came first, and wait for it, into their campaigns.

    Args:
        session: an open transaction.
        limit: how many at most.
    """
    take_turns(session)
    rows = session.connection().execute(WAITING.order_by(ReportRow.number).limit(limit)).all()
    found = shapes([text for _, text, _ in rows])
    if rows:
        place(session, [Placed(shape, source) for shape, (_, _, source) in zip(found, rows, strict=True)])
        session.connection().execute(
            SET_FINGERPRINT,
            [
                {"report_number": number, "new_fingerprint": shape.fingerprint}
                for shape, (number, _, _) in zip(found, rows, strict=True)
            ],
        )


def take_turns(session: Session) -> None:
    """Lets no other writer place reports before this transaction ends; SQLite has one writer anyway."""
    if is_postgresql(session):
        session.connection().execute(sql("SELECT pg_advisory_xact_lock(:lock)"), {"lock": INTAKE_LOCK})


def take_out(session: Session, text: str, campaign: int) -> None:
    """Takes a report whose row is deleted out of its campaign, and forgets its text if no other report has it."""
    is_own = CampaignRow.id == campaign
    session.execute(update(CampaignRow).where(is_own).values(reports=CampaignRow.reports - 1))
    session.execute(delete(CampaignRow).where(is_own, CampaignRow.reports <= 0))
    (shape,) = shapes([text])
    if session.scalar(select(ReportRow.id).where(ReportRow.fingerprint == shape.fingerprint).limit(1)) is None:
        is_pattern = PatternRow.fingerprint == shape.fingerprint
        session.execute(update(PatternRow).where(is_pattern).values(signature=b""))
        is_band = and_(BandRow.key.in_(shape.bands), BandRow.fingerprint == shape.fingerprint, ~BandRow.crowded)
        session.execute(delete(BandRow).where(is_band))


def list_campaigns(session: Session, limit: int, after: tuple[int, int] | None) -> list[Campaign]:
    """Gives campaigns, the largest first.

    Args:
        session: an open transaction.
        limit: how many at most.
        after: number of reports and id of the last campaign of the page before.
    """
    query = select(CampaignRow.id, CampaignRow.reports).order_by(CampaignRow.reports.desc(), CampaignRow.id.desc())
    if after is not None:
        query = query.where(before(CampaignRow.reports, CampaignRow.id, after))
    return list(_described(session, dict(session.execute(query.limit(limit)).all())))


def count_campaigns(session: Session) -> int:
    """Gives the number of campaigns that have a report."""
    return session.scalar(select(func.count()).select_from(CampaignRow)) or 0


def find_campaign(session: Session, campaign: int) -> Campaign | None:
    """Gives a campaign, or None."""
    row = session.get(CampaignRow, campaign)
    return next(_described(session, {row.id: row.reports}), None) if row else None


def _described(session: Session, sizes: dict[int, int]) -> Iterator[Campaign]:
    members = select(PatternRow.campaign).join(ReportRow, ReportRow.fingerprint == PatternRow.fingerprint)
    members = members.where(PatternRow.campaign.in_(sizes)).group_by(PatternRow.campaign)
    labels: dict[int, dict[str, int]] = {campaign: {} for campaign in sizes}
    by_category = members.add_columns(ReportRow.category, func.count()).group_by(ReportRow.category)
    for campaign, category, count in session.execute(by_category.where(ReportRow.category.is_not(None))):
        labels[campaign][category] = count
    facts = members.add_columns(
        func.count(ReportRow.reporter.distinct()),
        func.min(ReportRow.received_at),
        func.max(ReportRow.received_at),
        func.min(ReportRow.id),
    )
    found = {row[0]: row for row in session.execute(facts)}
    examples = select(ReportRow.id, ReportRow.text).where(ReportRow.id.in_([row[4] for row in found.values()]))
    texts = dict(session.execute(examples).all())
    for campaign, reports in sizes.items():
        if campaign in found:
            _, reporters, first, last, report_id = found[campaign]
            yield Campaign(campaign, reports, reporters, labels[campaign], first, last, texts[report_id])
