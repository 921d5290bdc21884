"""Receipts of single reports, and their withdrawal."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from services.ingestion.store.campaigns import take_out
from services.ingestion.store.reports import find_report
from services.ingestion.store.statements import insert_unless_known, is_postgresql
from services.ingestion.store.tables import ReceiptRow, ReportRow


@dataclass(frozen=True)
class StoredReceipt:
    """A receipt as it lies in the database.

    Attributes:
        id: what its owner puts into the path.
        report_id: the report; gone if the receipt is withdrawn.
        secret_sha256: hash of what its owner puts into the header.
        salt: random; under an Idempotency-Key it makes the secret again.
        key_sha256: hash of the Idempotency-Key that the report came with.
        body_sha256: hash of the body that came with that key.
        withdrawn_at: when the report was withdrawn.
    """

    id: str
    report_id: str
    secret_sha256: str
    salt: str
    key_sha256: str | None = None
    body_sha256: str | None = None
    withdrawn_at: datetime | None = None


def add_receipt(session: Session, receipt: StoredReceipt, now: datetime) -> bool:
    """Stores a receipt; False, and nothing stored, if its Idempotency-Key is known already.

    If the key came in a transaction that is still open, this waits until that ends.
    """
    statement = insert_unless_known(is_postgresql(session), ReceiptRow)
    return session.connection().execute(statement, {**vars(receipt), "created_at": now}).first() is not None


def find_receipt(session: Session, receipt_id: str) -> StoredReceipt | None:
    """Gives a receipt by its id, or None."""
    return _stored(session.get(ReceiptRow, receipt_id))


def find_receipt_of_key(session: Session, key_sha256: str) -> StoredReceipt | None:
    """Gives the receipt that an Idempotency-Key got, or None."""
    return _stored(session.scalar(select(ReceiptRow).where(ReceiptRow.key_sha256 == key_sha256)))


def _stored(row: ReceiptRow | None) -> StoredReceipt | None:
    if row is None:
        return None
    return StoredReceipt(
        row.id, row.report_id, row.secret_sha256, row.salt, row.key_sha256, row.body_sha256, row.withdrawn_at
    )


def withdraw(session: Session, receipt: StoredReceipt, now: datetime) -> None:
    """Deletes the receipt's report for good and takes it out of its campaign.

    What stays are the receipt's id, so that its owner learns that it is withdrawn, and the hash of the normalised
    text, which may hold a campaign together.
    """
    session.execute(update(ReceiptRow).where(ReceiptRow.id == receipt.id).values(withdrawn_at=now))
    report = find_report(session, receipt.report_id)
    if report is not None:
        session.execute(delete(ReportRow).where(ReportRow.id == report.id))
        if report.campaign is not None:
            take_out(session, report.text, report.campaign)
