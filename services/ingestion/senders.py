"""Tells what kind of sender a message came from."""

import re
from functools import lru_cache
from typing import Final

import phonenumbers

from services.ingestion.reports import MAX_SENDER_LENGTH, BadSenderError, Sender, SenderKind

DEFAULT_REGION: Final = "CN"
SHORT_CODE: Final = re.compile(r"[0-9]{5,21}", re.ASCII)
SERVICE_PREFIX: Final = re.compile(r"(?:\+|00)?(?:86)?(?=106[0-9]{6,18}$)", re.ASCII)
"""Carriers put the country before service numbers (106...), which are no telephone numbers."""
SEPARATORS: Final = re.compile(r"[\s().\-]+")
CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@lru_cache(maxsize=4096)
def read_sender(value: str) -> Sender:
    """Gives the sender with its kind, telephone numbers in E.164 with China as the region that needs no prefix.

    Raises:
        BadSenderError: if it is empty, longer than 32 characters or holds control characters.
    """
    name = value.strip()
    if not name:
        raise BadSenderError("The sender is empty.")
    if len(name) > MAX_SENDER_LENGTH:
        raise BadSenderError(f"The sender is longer than {MAX_SENDER_LENGTH} characters.")
    if CONTROL.search(name):
        raise BadSenderError("The sender holds control characters.")
    bare = SEPARATORS.sub("", name)
    service = SERVICE_PREFIX.sub("", bare, count=1)
    if service.startswith("106") and SHORT_CODE.fullmatch(service):
        return Sender(SenderKind.SHORT_CODE, service)
    number = _e164(bare)
    if number is not None:
        return Sender(SenderKind.E164, number)
    if SHORT_CODE.fullmatch(bare):
        return Sender(SenderKind.SHORT_CODE, bare)
    return Sender(SenderKind.ALPHANUMERIC, name)


def _e164(bare: str) -> str | None:
    if not re.fullmatch(r"\+?[0-9]{7,16}", bare, re.ASCII):
        return None
    try:
        number = phonenumbers.parse(bare, DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
