"""What the three services' HTTP sides have in common: limits, errors, keys, paging, health, metrics, logs.

Each service's app.py calls `new_api` once, registers blueprints made by `new_blueprint`, and calls `seal`.
"""

from shared.web.admission import BEARER, accepts_up_to, has_unstorable_text, is_storable, principal, public, requires
from shared.web.api import new_api, new_blueprint, seal
from shared.web.body import ClientLeftError, Readable
from shared.web.diagnosis import (
    Diagnosis,
    Finding,
    Look,
    State,
    judge,
    judge_clock,
    look_at_clock,
    look_at_room,
)
from shared.web.failures import ErrorTable, client_left, internal_error, places_of
from shared.web.faults import describe_faults, list_faults
from shared.web.health import OK, Check, run_check
from shared.web.metrics import Described, Labels, Metrics, Spent, by_word
from shared.web.observation import configure_logging, request_id
from shared.web.paging import PageQuery, decode_cursor, encode_cursor, make_page
from shared.web.trail import REQUEST_HEADER, carried_headers, keep_trail

__all__ = [
    "BEARER",
    "OK",
    "REQUEST_HEADER",
    "Check",
    "ClientLeftError",
    "Described",
    "Diagnosis",
    "ErrorTable",
    "Finding",
    "Labels",
    "Look",
    "Metrics",
    "PageQuery",
    "Readable",
    "Spent",
    "State",
    "accepts_up_to",
    "by_word",
    "carried_headers",
    "client_left",
    "configure_logging",
    "decode_cursor",
    "describe_faults",
    "encode_cursor",
    "has_unstorable_text",
    "internal_error",
    "is_storable",
    "judge",
    "judge_clock",
    "keep_trail",
    "list_faults",
    "look_at_clock",
    "look_at_room",
    "make_page",
    "new_api",
    "new_blueprint",
    "places_of",
    "principal",
    "public",
    "request_id",
    "requires",
    "run_check",
    "seal",
]
