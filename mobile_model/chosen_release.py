"""The release that a person chose to score with: the one on the phone, or two files."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError

from mobile_model.scorer import ModelError, Scorer
from mobile_model.updater import InstalledRelease, PhoneStore, UpdateError, standing, utc_now
from shared.categories import Strictness
from shared.release_card import ReleaseCard

DEFAULT_STATE: Final = Path("var/phone")
MAX_MODEL_BYTES: Final = 16 * 1024 * 1024

_Option = Callable[[Callable[..., None]], Callable[..., None]]

_GZIP_MAGIC: Final = b"\x1f\x8b"

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    envvar="QUIETLINE_PHONE",
    help="Folder of the phone. 手机数据目录",
)


@dataclass(frozen=True)
class OpenRelease:
    """A release that is ready to score."""

    card: ReleaseCard
    scorer: Scorer
    age: timedelta


@dataclass(frozen=True)
class NoRelease:
    """A phone that has no release, and allows everything.

    Args:
        withdrawn: version of the release that was taken back; None if there never was one.
        words: the same in a sentence.
    """

    withdrawn: str | None
    words: str


@dataclass(frozen=True)
class ChosenRelease:
    """Where the release comes from, and how to use it."""

    state: Path
    model: Path | None
    card: Path | None
    strictness: str
    contacts: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def open(self) -> OpenRelease | NoRelease:
        """Gets the release ready to score.

        Raises:
            ClickException: if the release cannot be used.
        """
        if (self.model is None) != (self.card is None):
            raise click.ClickException("--model and --card go together")
        store, now = PhoneStore(self.state), utc_now()
        try:
            release = self._from_files(self.model, self.card) if self.model and self.card else _current(store)
            if release is None:
                return NoRelease(store.withdrawn(), standing(store, now))
            scorer = Scorer(
                release.model,
                release.card,
                Strictness(self.strictness),
                contacts=self.contacts,
                allowed=self.allowed,
            )
        except (ModelError, UpdateError) as error:
            raise click.ClickException(str(error)) from error
        return OpenRelease(release.card, scorer, release.age(now))

    @staticmethod
    def _from_files(model_file: Path, card_file: Path) -> InstalledRelease:
        model = _unpacked(read_file(model_file), model_file)
        try:
            card = ReleaseCard.from_json(read_file(card_file))
        except ValidationError as error:
            raise click.ClickException(f"{card_file} is no release card") from error
        if card.model.sha256 != f"sha256:{hashlib.sha256(model).hexdigest()}":
            raise click.ClickException(f"{model_file} is not the model that {card_file} describes")
        return InstalledRelease(model, card)


def _current(store: PhoneStore) -> InstalledRelease | None:
    store.settings()  # a folder that holds no phone is another matter than a phone without a release
    return store.current()


_RELEASE_OPTIONS: Final = (
    state_option,
    click.option("--model", type=click.Path(path_type=Path, dir_okay=False), help="A model file. 模型文件"),
    click.option("--card", type=click.Path(path_type=Path, dir_okay=False), help="Its release card. 模型说明"),
    click.option(
        "--strictness",
        type=click.Choice([strictness.value for strictness in Strictness]),
        default=Strictness.NORMAL.value,
        show_default=True,
        help="How much is stopped. 拦截强度",
    ),
)
_PERSONAL_OPTIONS: Final = (
    click.option("--contact", "contacts", multiple=True, help="A sender in the address book. 通讯录号码"),
    click.option("--allow", "allowed", multiple=True, help="A sender on the allow-list. 白名单号码"),
)


def release_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that `ChosenRelease` is made from where nobody's senders matter."""
    return _with(_RELEASE_OPTIONS, command)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds all options that `ChosenRelease` is made from."""
    return _with((*_RELEASE_OPTIONS, *_PERSONAL_OPTIONS), command)


def _with(options: Sequence[_Option], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


def read_file(path: Path) -> bytes:
    """Gives what is in a file.

    Raises:
        ClickException: if it cannot be read, or is longer than any model.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_MODEL_BYTES:
        raise click.ClickException(f"{path} is too long")
    return content


def _unpacked(content: bytes, path: Path) -> bytes:
    """Gives the model itself, also of a model.onnx.gz."""
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, MAX_MODEL_BYTES)
    except zlib.error as error:
        raise click.ClickException(f"{path} is a damaged gzip file") from error
    return unpacked
