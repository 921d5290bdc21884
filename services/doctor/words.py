"""What the doctor's checks are called and what helps, read from `remedies.toml`."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Remedy(NamedTuple):
    """The name of a check, and what to do when it does not succeed, in English and in Chinese."""

    name: str
    name_zh: str
    advice: str
    advice_zh: str


@cache
def remedies() -> dict[str, Remedy]:
    """Gives what is known of every check, by its word."""
    content = tomllib.loads(files(__package__).joinpath("remedies.toml").read_text("utf8"))
    return {check: Remedy(**words) for check, words in content.items()}


def remedy_of(check: str) -> Remedy:
    """Gives the words of a check; a newer service may have checks that this command does not know."""
    return remedies().get(check) or Remedy(check, "", "", "")
