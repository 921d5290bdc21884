"""Reads a candidate from the parts that training sends."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from werkzeug.datastructures import FileStorage

from services.registry.documents import CandidateForm
from shared.problems import Problem
from shared.release_card import Evidence, ReleaseCard
from shared.web import describe_faults, is_storable, list_faults

MAX_SUBMISSION_BYTES: Final = 1024 * 1024
MAX_DOCUMENT_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Submission:
    """A candidate as it came, read but not judged.

    Args:
        card_text: exact text of the card; phones get these bytes.
        card: the card.
        evidence_text: exact text of the evidence.
        evidence: the evidence.
        model: the compressed model.
    """

    card_text: str
    card: ReleaseCard
    evidence_text: str
    evidence: Evidence
    model: bytes

    @property
    def sha256(self) -> str:
        """A digest over all parts: equal for a repetition, and for nothing else."""
        parts = (self.card_text.encode(), self.evidence_text.encode(), self.model)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def read_submission(form: CandidateForm) -> Submission:
    """Reads all parts before anything is kept.

    Raises:
        Problem: 413 for a part that is too long, 422 for a card or evidence that does not fit.
    """
    card_text = _document(form.card, "card")
    evidence_text = _document(form.evidence, "evidence")
    return Submission(
        card_text,
        _parsed(ReleaseCard, card_text, "card"),
        evidence_text,
        _parsed(Evidence, evidence_text, "evidence"),
        _part(form.model, MAX_SUBMISSION_BYTES, "model"),
    )


def _part(part: FileStorage | str, max_bytes: int, name: str) -> bytes:
    """Gives the bytes of a multipart part, whether it came with a file name or without."""
    content = part.encode("utf8", "surrogateescape") if isinstance(part, str) else part.stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise Problem("part-too-long", "A part is too long", 413, f"The {name} may have {max_bytes} bytes at most.")
    return content


def _document(part: FileStorage | str, name: str) -> str:
    try:
        text = _part(part, MAX_DOCUMENT_BYTES, name).decode("utf8")
    except UnicodeDecodeError as error:
        raise Problem(f"malformed-{name}", f"The {name} is no UTF-8 text", 422) from error
    if not is_storable(text):
        raise Problem(f"malformed-{name}", f"The {name} holds a character that cannot be stored", 422)
    return text


def _parsed(model: type[ReleaseCard] | type[Evidence], text: str, name: str) -> Any:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        faults = list_faults(error, name)
        detail = describe_faults(faults)
        raise Problem(f"malformed-{name}", f"The {name} does not fit", 422, detail, extra={"faults": faults}) from error
