"""Keeps a phone's release up to date: `PhoneStore` is what lies on the phone, `update` fetches what is new."""

from mobile_model.updater.errors import UpdateError
from mobile_model.updater.fetcher import Fetcher, HttpFetcher
from mobile_model.updater.standing import made_ago, standing
from mobile_model.updater.store import InstalledRelease, PhoneSettings, PhoneStore
from mobile_model.updater.update import UpdateKind, UpdateOutcome, update, utc_now

__all__ = [
    "Fetcher",
    "HttpFetcher",
    "InstalledRelease",
    "PhoneSettings",
    "PhoneStore",
    "UpdateError",
    "UpdateKind",
    "UpdateOutcome",
    "made_ago",
    "standing",
    "update",
    "utc_now",
]
