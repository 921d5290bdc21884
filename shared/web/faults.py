"""Why a value does not fit, in plain words: never the value, and never a name that the client made up."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST_FAULTS: Final = 20
"""More of them help nobody."""

TEXT: Final = "must be text"
WHOLE_NUMBER: Final = "must be a whole number"
NUMBER: Final = "must be a number"
YES_OR_NO: Final = "must be true or false"
LIST: Final = "must be a list"
OBJECT: Final = "must be an object"
UNKNOWN_MEMBER: Final = "holds a member that is not known"
TIME: Final = "must be a time, such as 2025-06-01T12:00:00+08:00"
DAY: Final = "must be a day, such as 2025-06-01"

WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "is missing",
        "json_invalid": "cannot be read as JSON",
        "extra_forbidden": UNKNOWN_MEMBER,
        "unexpected_keyword_argument": UNKNOWN_MEMBER,
        "string_type": TEXT,
        "string_unicode": TEXT,
        "string_too_short": "must be {min_length} or more characters long",
        "string_too_long": "must be at most {max_length} characters long",
        "string_pattern_mismatch": "must fit {pattern}",
        "enum": "must be one of {expected}",
        "literal_error": "must be {expected}",
        "int_type": WHOLE_NUMBER,
        "int_parsing": WHOLE_NUMBER,
        "int_parsing_size": WHOLE_NUMBER,
        "int_from_float": WHOLE_NUMBER,
        "float_type": NUMBER,
        "float_parsing": NUMBER,
        "finite_number": NUMBER,
        "greater_than": "must be more than {gt}",
        "greater_than_equal": "must be {ge} or more",
        "less_than": "must be less than {lt}",
        "less_than_equal": "must be {le} or less",
        "bool_type": YES_OR_NO,
        "bool_parsing": YES_OR_NO,
        "list_type": LIST,
        "tuple_type": LIST,
        "dict_type": OBJECT,
        "model_type": OBJECT,
        "model_attributes_type": OBJECT,
        "dataclass_type": OBJECT,
        "dataclass_exact_type": OBJECT,
        "too_short": "must have {min_length} or more items",
        "too_long": "must have at most {max_length} items",
        "datetime_type": TIME,
        "datetime_parsing": TIME,
        "datetime_from_date_parsing": TIME,
        "datetime_object_invalid": TIME,
        "timezone_aware": TIME,
        "date_type": DAY,
        "date_parsing": DAY,
        "date_from_datetime_parsing": DAY,
        "date_from_datetime_inexact": DAY,
        "value_error": "{error}",
    }
)
"""What is said of each kind of pydantic's errors. Only our own limits and words are filled in."""

OTHERWISE: Final = "does not fit"

CONSTANT: Final = re.compile(r"(?<!')\b(?:True|False|None)\b(?!')")
JSON_CONSTANTS: Final[Mapping[str, str]] = MappingProxyType({"True": "true", "False": "false", "None": "null"})
"""What a value must be, pydantic spells as Python does, and whoever sends JSON does not."""


def list_faults(error: ValidationError, within: str = "") -> list[dict[str, str]]:
    """Gives the place of each value that does not fit (`where`), and the reason (`why`), each pair once.

    Args:
        error: what pydantic said.
        within: name of the document that does not fit, put before its places; the body of the request if not given.
    """
    found = dict.fromkeys(
        (_place(fault, within), _reason(fault)) for fault in error.errors(include_input=False, include_url=False)
    )
    return [{"where": where, "why": why} for where, why in list(found)[:MOST_FAULTS]]


def describe_faults(faults: list[dict[str, str]]) -> str:
    """Says in one line what the first few faults are."""
    return "; ".join(f"{fault['where']}: {fault['why']}" for fault in faults[:5])


def _reason(fault: ErrorDetails) -> str:
    limits = fault.get("ctx", {})
    if "expected" in limits:
        limits["expected"] = CONSTANT.sub(lambda constant: JSON_CONSTANTS[constant[0]], limits["expected"])
    return WORDS.get(fault["type"], OTHERWISE).format(**limits)


def _place(fault: ErrorDetails, within: str) -> str:
    """Names the place by members that we know: what the client named itself is left out."""
    place: list[Any] = list(fault["loc"])
    if WORDS.get(fault["type"]) == UNKNOWN_MEMBER:
        place.pop()
    elif place and place[-1] == "[key]":
        place[-2:] = []
    return ".".join(map(str, [within, *place] if within else place)) or "body"
