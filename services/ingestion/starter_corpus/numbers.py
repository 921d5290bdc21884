"""Numbers in a text that may be somebody's: telephones, identity cards, bank cards.

What looks like one is what masking would take for one if it stood alone. It is harmless if nobody can have it: in a
range that is kept for invention, or with a check digit that does not fit.
"""

import re
from collections.abc import Iterator
from typing import Final

from services.ingestion.starter_corpus.slots import MOBILE_PREFIXES
from shared.redaction import mask

_RUN: Final = re.compile(r"(?<![\w*.⟦:-])\+?[0-9](?:[ -]?[0-9]){6,20}[Xx]?(?![\w*⟦-]|[.][0-9])", re.ASCII)
"""Digits that neither letters nor stars touch, and that no date, amount or masked number is part of."""
_PHONE: Final = re.compile("⟦phone:[0-9]+⟧")
_INVENTED: Final = re.compile(
    f"(?:86)?(?:{'|'.join(MOBILE_PREFIXES)})[0-9]{{8}}"  # see slots.py
    "|(?:010|02[0-9])1[0-9]{7}|0[3-9][0-9]{2}1[0-9]{6}"
    "|(?:886|0)?900000[0-9]{3}|021[0-9]{7}"  # the same for Taiwan
    "|(?:44|0)(?:7700900|2079460|[0-9]{3}4960|1632960|3069990|8081570|9098790)[0-9]{3}"  # Ofcom's, for drama
    "|1?[0-9]{3}55501[0-9]{2}"  # the same for North America
    "|(?:400|800|0800|95|96|100|106|12[0-9])[0-9]*"  # services, which are nobody's
)
_CARD_LENGTHS: Final = range(15, 20)
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def real_looking_numbers(text: str) -> Iterator[tuple[str, str, str]]:
    """Gives each number of a text that may be somebody's, what it may be, and the slot to write instead."""
    for found in _RUN.finditer(text):
        digits = re.sub("[^0-9X]", "", found[0].upper())
        if is_id_number(digits):
            yield found[0], "identity number", "{id4} behind a masked beginning"
        elif is_card_number(digits):
            yield found[0], "bank card", "{card4} behind a masked beginning"
        elif _is_phone(found[0], digits) and _INVENTED.fullmatch(digits) is None:
            yield found[0], "telephone number", "{phone} or {landline}"


def _is_phone(written: str, digits: str) -> bool:
    """Tells whether it is nothing but a telephone number; a date with a time is one without its signs only."""
    is_alone = written.startswith("+") or _PHONE.fullmatch(mask(digits)) is not None
    return is_alone and _PHONE.search(mask(written)) is not None


def is_id_number(digits: str) -> bool:
    """Tells whether it is a valid number of a Chinese resident: a date of birth and the check digit of GB 11643."""
    if not re.fullmatch(r"[1-8]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]", digits, re.ASCII):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits[:-1], _ID_WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == digits[-1]


def is_card_number(digits: str) -> bool:
    """Tells whether it is a valid card number by its length, its first digit and the check digit of Luhn."""
    if not digits.isdigit() or len(digits) not in _CARD_LENGTHS or digits[0] not in "3456":
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0  # noqa: PLR2004 - the digits of 10 to 18 add up so
