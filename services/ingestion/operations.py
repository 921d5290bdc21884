"""What clients ask for that takes more than one step: hand in a report, show it, withdraw it."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from services.ingestion import store
from services.ingestion.documents import ReportIn
from services.ingestion.intake import accept_single
from services.ingestion.reports import (
    KeyReusedError,
    NewReport,
    Receipt,
    UnknownReceiptError,
    WithdrawnError,
    hash_body,
    hash_idempotency_key,
    hash_secret,
    new_secret,
    repeatable_secret,
)
from services.ingestion.store import StoredReceipt, StoredReport
from shared.database import reading, writing

PLACED_TOGETHER: Final = 200
"""One in so many reports takes those before it along into their campaigns."""
MOST_PLACED_AT_ONCE: Final = 2000
NO_SUCH_RECEIPT: Final = "There is no such receipt, or the secret is not its own."
WITHDRAWN: Final = "The report was withdrawn; its text is gone."


@dataclass(frozen=True)
class Submitted:
    """The answer to a report, and whether the report is a new one."""

    receipt: Receipt
    report: NewReport | StoredReport
    is_new: bool


def submit(session: Session, report: ReportIn, *, holder: str, key: str | None, now: datetime) -> Submitted:
    """Stores a report.

    Under the same Idempotency-Key and the same body it gives the same answer again, also when both requests come at
    the same time: the key is claimed before anything else is stored, and a second claim waits for the first to end.

    Args:
        session: an open transaction.
        report: what was sent.
        holder: name of the bearer key.
        key: the Idempotency-Key, if there is one.
        now: what our clock says.

    Raises:
        IngestionError: if the report is not acceptable, or the key came with another body.
    """
    accepted = accept_single(report, holder, now)
    salt = secrets.token_hex(16)
    receipt = Receipt(secrets.token_hex(16), new_secret() if key is None else repeatable_secret(salt, key))
    stored = StoredReceipt(
        id=receipt.id,
        report_id=accepted.id,
        secret_sha256=receipt.secret_sha256,
        salt=salt,
        key_sha256=None if key is None else hash_idempotency_key(holder, key),
        body_sha256=None if key is None else hash_body(report.model_dump_json(), key),
    )
    if store.add_receipt(session, stored, now):
        if store.add_report(session, accepted, now=now) % PLACED_TOGETHER == 0:
            store.place_waiting(session, 2 * PLACED_TOGETHER)
        return Submitted(receipt, accepted, is_new=True)
    known = store.find_receipt_of_key(session, stored.key_sha256 or "")
    if known is None or key is None or stored.body_sha256 != known.body_sha256:
        raise KeyReusedError("This Idempotency-Key came with another body. Use a new key for a new report.")
    again = Receipt(known.id, repeatable_secret(known.salt, key))
    return Submitted(again, _report_of(session, known), is_new=False)


def _report_of(session: Session, receipt: StoredReceipt) -> StoredReport:
    report = store.find_report(session, receipt.report_id)
    if receipt.withdrawn_at is not None or report is None:
        raise WithdrawnError(WITHDRAWN)
    return report


def place_waiting(engine: Engine) -> None:
    """Puts the reports that came since the last time into their campaigns, before somebody looks at these.

    To look for near-copies takes longer than all the rest of a report's way in, and much less for many together than
    for each by itself; so single reports wait until somebody looks, or until there are `PLACED_TOGETHER`.
    """
    while True:
        with reading(engine) as session:
            if not store.has_waiting(session):
                return
        with writing(engine) as session:
            store.place_waiting(session, MOST_PLACED_AT_ONCE)


def open_receipt(session: Session, receipt_id: str, secret: str) -> StoredReceipt:
    """Gives the receipt to whoever has its secret.

    Raises:
        UnknownReceiptError: if there is none, or the secret is another; which of both is not told.
    """
    receipt = store.find_receipt(session, receipt_id)
    expected = receipt.secret_sha256 if receipt else hash_secret("")
    if not hmac.compare_digest(expected, hash_secret(secret)) or receipt is None:
        raise UnknownReceiptError(NO_SUCH_RECEIPT)
    return receipt


def show(session: Session, receipt_id: str, secret: str) -> StoredReport:
    """Gives a report to its owner.

    Raises:
        UnknownReceiptError: if there is no such receipt, or the secret is another.
        WithdrawnError: if the report was withdrawn.
    """
    return _report_of(session, open_receipt(session, receipt_id, secret))


def withdraw(session: Session, receipt_id: str, secret: str, now: datetime) -> None:
    """Deletes a report for good, for its owner; again and again is fine.

    Raises:
        UnknownReceiptError: if there is no such receipt, or the secret is another.
    """
    receipt = open_receipt(session, receipt_id, secret)
    if receipt.withdrawn_at is None:
        store.withdraw(session, receipt, now)
