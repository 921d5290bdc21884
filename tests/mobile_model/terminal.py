"""`quietline phone` in this process, as one would type it, with the small release of the conformance vectors."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click.testing

from mobile_model import conformance
from mobile_model.conformance import CARD_FILE, MODEL_FILE, read
from mobile_model.updater import PhoneStore
from services.cli import main
from shared.release_card import ReleaseCard

FOLDER: Final = Path(conformance.__file__).parent
RELEASE: Final = ("--model", str(FOLDER / MODEL_FILE), "--card", str(FOLDER / CARD_FILE))


def run(*arguments: str, lines: bytes = b"") -> click.testing.Result:
    result = click.testing.CliRunner().invoke(main, ["phone", *arguments], input=lines, env={"LC_ALL": "C.UTF-8"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def assert_refused(result: click.testing.Result, *words: str) -> None:
    """Bad input gets one line on standard error, and exit code 2."""
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("quietline: ")
    for word in words:
        assert word in line


def install(store: PhoneStore, card: ReleaseCard) -> None:
    store.install(card.version, read(CARD_FILE), read(MODEL_FILE))
    store.switch(card.version, datetime.now(UTC))
