"""What a report is and what makes one acceptable; pure, without I/O.

IngestionError
├── BadSenderError           the sender is none
├── BadTextError             the text is empty or too long
├── WrongClockError          the time of receipt cannot be true
├── UnknownReportError       no such report
├── UnknownReceiptError      no such receipt, or the secret is not its own
├── WithdrawnError           the report was withdrawn
├── KeyReusedError           an Idempotency-Key came with another body before
├── UnknownCampaignError     no such campaign
├── SourceKindError          a source is known under another kind
├── UnknownSnapshotError     no such snapshot
└── NothingToLearnError      too few labels for a snapshot
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_TEXT_LENGTH: Final = 2000
MAX_SENDER_LENGTH: Final = 32
MAX_AGE: Final = timedelta(days=180)
"""How long ago a message may have come in that its owner reports now."""
MAX_AHEAD: Final = timedelta(days=1)
"""How far a phone's clock may be ahead of ours."""
EARLIEST: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
"""No bulk report is older."""


class IngestionError(Exception):
    """What ingestion refuses; the text says why and what to do, and never repeats what was sent."""


class BadSenderError(IngestionError):
    """The sender is none."""


class BadTextError(IngestionError):
    """The text is empty or too long."""


class WrongClockError(IngestionError):
    """The time of receipt cannot be true."""


class UnknownReportError(IngestionError):
    """There is no such report."""


class UnknownReceiptError(IngestionError):
    """There is no such receipt, or the secret is not its own; which of both is not told."""


class WithdrawnError(IngestionError):
    """The report was withdrawn and its text is gone."""


class KeyReusedError(IngestionError):
    """The same Idempotency-Key came with another body before."""


class UnknownCampaignError(IngestionError):
    """There is no such campaign."""


class SourceKindError(IngestionError):
    """The source is known under another kind."""


class UnknownSnapshotError(IngestionError):
    """There is no such snapshot."""


class NothingToLearnError(IngestionError):
    """There are too few labels to freeze."""


class SourceKind(StrEnum):
    """What stands behind a source of reports."""

    COMMUNITY = "community"  # people who report what they received
    OPERATOR = "operator"  # an operator's complaint desk
    CORPUS = "corpus"  # a collection made for training; exempt from the cap per reporter


class Status(StrEnum):
    """How far a report has come."""

    RECEIVED = "received"  # stored; nobody has looked at it
    VERIFIED = "verified"  # it has a label, and goes into the next snapshot


class SenderKind(StrEnum):
    """What a sender is."""

    E164 = "e164"  # a telephone number, as +8613800138000
    SHORT_CODE = "short_code"  # a service number of 5 to 21 digits, as 95588 or 1069...
    ALPHANUMERIC = "alphanumeric"  # a name


@dataclass(frozen=True)
class Sender:
    """Who a message came from."""

    kind: SenderKind
    value: str


@dataclass(frozen=True)
class NewReport:
    """A report that is fit to be stored: masked, checked, but in no campaign yet.

    Attributes:
        id: stable for bulk lines, random for single reports; decides how slots are filled.
        reporter: hash of whoever reported, or of the source if the report names nobody.
        claimed_category: what the reporter says it is.
        category: the verified label, if the report comes with one.
        hint: names lines of one source that belong together, whatever their texts are.
    """

    id: str
    text: str
    language: str
    sender: Sender | None
    received_at: datetime
    source: str
    reporter: str
    claimed_category: str | None = None
    claimed_topic: str | None = None
    category: str | None = None
    topic: str | None = None
    on_behalf_of: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What the owner of a report holds: an id for the path and a secret for a header."""

    id: str
    secret: str

    @property
    def secret_sha256(self) -> str:
        """What is stored of the secret."""
        return hash_secret(self.secret)


def check_text(text: str) -> None:
    """Refuses a text that holds nothing or too much.

    Raises:
        BadTextError: if so.
    """
    if not text.strip():
        raise BadTextError("The text is empty.")
    if len(text) > MAX_TEXT_LENGTH:
        raise BadTextError(f"The text is longer than {MAX_TEXT_LENGTH} characters.")


def check_received_at(received_at: datetime, now: datetime, *, earliest: datetime | None = None) -> None:
    """Refuses a time of receipt that only a wrong clock can give.

    Args:
        received_at: what the client says.
        now: what our clock says.
        earliest: the oldest time allowed; `MAX_AGE` ago if not given.

    Raises:
        WrongClockError: if so.
    """
    if received_at > now + MAX_AHEAD:
        raise WrongClockError("received_at lies in the future. Check the clock and the time zone of the device.")
    if earliest is not None and received_at < earliest:
        raise WrongClockError(f"received_at is before {earliest:%Y}. Check the clock of the device.")
    if earliest is None and received_at < now - MAX_AGE:
        raise WrongClockError(f"received_at is more than {MAX_AGE.days} days ago. Check the clock of the device.")


def new_report_id() -> str:
    """Makes the id of a single report."""
    return secrets.token_hex(16)


def bulk_report_id(source: str, key: str) -> str:
    """Gives the id of a bulk line, the same whenever and wherever the line is imported.

    Args:
        source: name of the source.
        key: the line's own id, or `content_key` of what is stored of it.
    """
    return hashlib.sha256(f"{source}\0{key}".encode()).hexdigest()[:32]


def content_key(*parts: str | None) -> str:
    """Gives the key of a line without an id, from its masked text and other stored parts.

    What was masked takes no part, because a hash of it would give it away to whoever tries all codes.
    """
    return "content:" + "\0".join(part or "" for part in parts)


def hash_reporter(source: str, token: str) -> str:
    """Gives what is stored of a reporter's token: enough to count distinct reporters of a source."""
    return hashlib.sha256(f"{source}\0{token}".encode()).hexdigest()[:32]


def hash_secret(secret: str) -> str:
    """Gives what is stored of a receipt's secret, which has 256 random bits."""
    return hashlib.sha256(secret.encode("utf8", "surrogatepass")).hexdigest()


def new_secret() -> str:
    """Makes the secret of a receipt."""
    return secrets.token_urlsafe(32)


def repeatable_secret(salt: str, key: str) -> str:
    """Makes the secret of a receipt that a repeated request must get again, though only its hash is stored.

    Whoever reads the database has the salt but not the client's Idempotency-Key.

    Args:
        salt: random, stored with the receipt.
        key: the Idempotency-Key as the client sent it.
    """
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()


def hash_idempotency_key(holder: str, key: str) -> str:
    """Gives what is stored of an Idempotency-Key; keys of different holders never meet."""
    return hashlib.sha256(f"{holder}\0{key}".encode()).hexdigest()


def hash_body(body: str, key: str) -> str:
    """Gives what is stored to recognise the same body again; without the Idempotency-Key it tells nothing."""
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()


def is_held_out(campaign: str) -> bool:
    """Tells whether a campaign is to be kept for measuring: about one in five, by a hash that never changes.

    A campaign's id may change as it grows, so this alone does not keep apart what models learn from and what they are
    measured by: a snapshot also asks whether any of the campaign was learned from before.
    """
    return hashlib.sha256(f"held out\0{campaign}".encode()).digest()[0] < 51  # noqa: PLR2004 - 51 of 256 is 19.9 %
