"""What a phone goes on with, in words: the release and its age, or why there is none."""

from datetime import datetime, timedelta

from mobile_model.advice import Language
from mobile_model.updater.store import PhoneStore


def standing(store: PhoneStore, now: datetime) -> str:
    """Says in one sentence what scores the messages of a phone.

    Raises:
        DamagedStateError: if that cannot be told.
    """
    release = store.current()
    if release is not None:
        return f"this phone goes on with {release.card.version}, {made_ago(release.age(now))}"
    withdrawn = store.withdrawn()
    if withdrawn is not None:
        return f"{withdrawn} was withdrawn and nothing took its place, so this phone allows every message"
    return "this phone has no release yet, so it allows every message"


def made_ago(age: timedelta, language: Language = Language.ENGLISH) -> str:
    """Says how long ago a release was made."""
    days = max(0, age.days)
    if language is Language.CHINESE:
        return f"{days} 天前制作" if days else "今天制作"
    return f"made {days} day{'s' if days > 1 else ''} ago" if days else "made today"
