"""Campaigns: each new text joins those it is near to, and campaigns that meet become one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.orm import Session

from services.ingestion.campaigns import shapes
from services.ingestion.grouping import Band, Known, Outcome, Placed, fresh_shapes, join
from services.ingestion.store.statements import before, chunks, insert_or, insert_tuples
from services.ingestion.store.tables import BandRow, CampaignRow, PatternRow, ReportRow


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


def _read_patterns(session: Session, known: Known, fingerprints: Iterable[int]) -> None:
    query = select(PatternRow.fingerprint, PatternRow.campaign, PatternRow.signature)
    for part in chunks(sorted(fingerprints)):
        for fingerprint, campaign, signature in session.execute(query.where(PatternRow.fingerprint.in_(part))):
            known.campaigns[fingerprint] = campaign
            known.signatures[fingerprint] = signature


def _read_bands(session: Session, known: Known, keys: Iterable[int]) -> None:
    query = select(BandRow.key, BandRow.crowded, PatternRow.fingerprint, PatternRow.campaign, PatternRow.signature)
    query = query.join(PatternRow, PatternRow.fingerprint == BandRow.fingerprint)
    for part in chunks(sorted(keys)):
        for key, crowded, fingerprint, campaign, signature in session.execute(query.where(BandRow.key.in_(part))):
            known.campaigns[fingerprint] = campaign
            known.signatures[fingerprint] = signature
            band = known.bands.setdefault(key, Band())
            band.crowded |= crowded
            band.add(fingerprint, campaign)


def _write(session: Session, outcome: Outcome) -> None:
    if outcome.patterns:
        patterns = insert_or(session, PatternRow)
        session.execute(
            patterns.on_conflict_do_update(
                index_elements=["fingerprint"], set_={"signature": patterns.excluded.signature}
            ),
            [
                {"fingerprint": fingerprint, "signature": signature, "campaign": campaign}
                for fingerprint, (signature, campaign) in outcome.patterns.items()
            ],
        )
    for part in chunks(sorted(outcome.crowds)):
        session.execute(delete(BandRow).where(BandRow.key.in_(part)))
    bands = [(key, one, False) for key, one in sorted(outcome.band_rows)]
    bands += [(key, one, True) for key, one in outcome.crowds.items()]
    insert_tuples(session, BandRow, ("key", "fingerprint", "crowded"), bands)
    counts = outcome.counts.copy()
    for old, new in outcome.renamed.items():
        session.execute(update(PatternRow).where(PatternRow.campaign == old).values(campaign=new))
        merged = delete(CampaignRow).where(CampaignRow.id == old).returning(CampaignRow.reports)
        counts[new] += session.scalar(merged) or 0
    campaigns = insert_or(session, CampaignRow)
    session.execute(
        campaigns.on_conflict_do_update(
            index_elements=["id"], set_={"reports": CampaignRow.reports + campaigns.excluded.reports}
        ),
        [{"id": campaign, "reports": count} for campaign, count in counts.items() if count],
    )


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
