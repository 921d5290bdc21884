"""What the three services' HTTP sides have in common: limits, errors, keys, paging, health, metrics, logs.

Each service's app.py calls `new_api` once, registers blueprints made by `new_blueprint`, and calls `seal`.
"""

from shared.web.admission import BEARER, accepts_up_to, has_unstorable_text, is_storable, principal, public, requires
from shared.web.api import new_api, new_blueprint, seal
from shared.web.body import ClientLeftError, Readable
from shared.web.failures import ErrorTable, client_left, internal_error, places_of
from shared.web.faults import describe_faults, list_faults
from shared.web.observation import configure_logging, request_id
from shared.web.paging import PageQuery, decode_cursor, encode_cursor, make_page

__all__ = [
    "BEARER",
    "ClientLeftError",
    "ErrorTable",
    "PageQuery",
    "Readable",
    "accepts_up_to",
    "client_left",
    "configure_logging",
    "decode_cursor",
    "describe_faults",
    "encode_cursor",
    "has_unstorable_text",
    "internal_error",
    "is_storable",
    "list_faults",
    "make_page",
    "new_api",
    "new_blueprint",
    "places_of",
    "principal",
    "public",
    "request_id",
    "requires",
    "seal",
]
