"""`quietline phone`: the reference phone on a command line.

Every error is one line on standard error and exit code 2. Standard output holds nothing but the answer.
"""

import errno
import hashlib
import io
import locale
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import click
from pydantic import ValidationError
from rich.console import Console, RenderableType

from mobile_model import jsonl, screen
from mobile_model.advice import Language
from mobile_model.scorer import ModelError, Scorer
from mobile_model.updater import PhoneStore, UpdateError, update
from shared.categories import Strictness
from shared.release_card import ReleaseCard

DEFAULT_STATE: Final = Path("var/phone")
DEFAULT_SOURCE: Final = "http://127.0.0.1:8700/tuf/"
MAX_MODEL_BYTES: Final = 16 * 1024 * 1024

_GZIP_MAGIC: Final = b"\x1f\x8b"
_NO_RELEASE_NOTICE: Final = (
    "this phone has no release yet, so every message is allowed; `quietline phone update` fetches one"
)

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    envvar="QUIETLINE_PHONE",
    help="Folder of the phone. 手机数据目录",
)
language_option = click.option(
    "--language",
    type=click.Choice([language.value for language in Language]),
    help="Language of the words shown; by the locale if left out. 显示语言",
)


class PhoneFailure(click.ClickException):
    """One line on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the line."""
        click.echo(f"quietline: {' '.join(self.format_message().split())}", file=file or sys.stderr)


@dataclass(frozen=True)
class Source:
    """Where the release to score with comes from: the phone, or two files."""

    state: Path
    model: Path | None
    card: Path | None
    strictness: str
    contacts: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def open(self) -> Scorer | None:
        """Gives the scorer; None if the phone has no release and must allow everything.

        Raises:
            PhoneFailure: if the release cannot be used.
        """
        if (self.model is None) != (self.card is None):
            raise PhoneFailure("--model and --card go together")
        try:
            release = self._from_files(self.model, self.card) if self.model and self.card else self._from_state()
            if release is None:
                return None
            return Scorer(*release, Strictness(self.strictness), contacts=self.contacts, allowed=self.allowed)
        except (ModelError, UpdateError) as error:
            raise PhoneFailure(str(error)) from error

    def _from_state(self) -> tuple[bytes, ReleaseCard] | None:
        store = PhoneStore(self.state)
        store.settings()
        release = store.current()
        return None if release is None else (release.model, release.card)

    @staticmethod
    def _from_files(model_file: Path, card_file: Path) -> tuple[bytes, ReleaseCard]:
        model = _unpacked(_read(model_file), model_file)
        try:
            card = ReleaseCard.from_json(_read(card_file))
        except ValidationError as error:
            raise PhoneFailure(f"{card_file} is no release card") from error
        if card.model.sha256 != f"sha256:{hashlib.sha256(model).hexdigest()}":
            raise PhoneFailure(f"{model_file} is not the model that {card_file} describes")
        return model, card


_SOURCE_OPTIONS: Final = (
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
    click.option("--contact", "contacts", multiple=True, help="A sender in the address book. 通讯录号码"),
    click.option("--allow", "allowed", multiple=True, help="A sender on the allow-list. 白名单号码"),
)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that `Source` is made from."""
    for option in reversed(_SOURCE_OPTIONS):
        command = option(command)
    return command


class OneLineGroup(click.Group):
    """A group whose commands answer wrong usage with one line, as every other error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise PhoneFailure(error.format_message()) from error


@click.group(cls=OneLineGroup)
def phone() -> None:
    """Be a phone: fetch releases, score messages, explain. 手机端：更新、判断、解释。

    Scoring needs no network, and no message leaves this machine.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@phone.command()
@click.option(
    "--root",
    "root_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The root of trust, root.json, from someone you trust. 信任根文件",
)
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="Address of the published folder. 发布地址")
@click.option("--channel", default="stable", show_default=True, help="Which channel to follow. 渠道")
@click.option("--replace", is_flag=True, help="Throw away a phone that is there already. 覆盖已有手机数据")
@state_option
def init(root_file: Path, source: str, channel: str, state: Path, *, replace: bool) -> None:
    """Make a phone that trusts a root, and show the root's fingerprint to compare. 初始化。"""
    try:
        fingerprint = PhoneStore(state).initialise(_read(root_file), source, channel=channel, replace=replace)
    except UpdateError as error:
        raise PhoneFailure(str(error)) from error
    click.echo(f"{state} trusts the root {fingerprint}")


@phone.command(name="update")
@click.option("--source", help="Fetch from here this time. 临时发布地址")
@state_option
def fetch(source: str | None, state: Path) -> None:
    """Fetch the release that the channel names, check it, and switch to it. 更新模型。"""
    try:
        outcome = update(PhoneStore(state), source=source)
    except UpdateError as error:
        raise PhoneFailure(str(error)) from error
    click.echo(outcome.describe())


@phone.command()
@click.argument("text", required=False)
@click.option("--jsonl", is_flag=True, help='Score one {"text": ...} a line from standard input. 批量判断')
@click.option("--sender", help="Who sent TEXT. 发件人")
@language_option
@source_options
def score(text: str | None, sender: str | None, language: str | None, *, jsonl: bool, **source: Any) -> None:
    """Say what a message is and what to do with it. 判断短信。

    With --jsonl each line may carry a "sender" too; each answer is one line, in the same order.
    """
    if (text is None) == (not jsonl):
        raise PhoneFailure("give either a TEXT or --jsonl")
    scorer = Source(**source).open()
    if text is None:
        _score_lines(scorer)
        return
    text, spoken = _as_typed(text), _language(language)
    if scorer is None:
        _show(screen.no_release_panel(text, spoken))
    else:
        _show(screen.verdict_panel(text, scorer.explain(text, sender), spoken))


@phone.command()
@click.argument("text")
@language_option
@source_options
def explain(text: str, language: str | None, **source: Any) -> None:
    """Show which characters of a message speak for harassment. 说明是哪些字引起判断。"""
    text, spoken = _as_typed(text), _language(language)
    scorer = Source(**source).open()
    if scorer is None:
        _show(screen.no_release_panel(text, spoken))
    else:
        _show(screen.explanation_panel(text, scorer.explain(text), spoken))


def _score_lines(scorer: Scorer | None) -> None:
    if scorer is None:
        click.echo(f"quietline: {_NO_RELEASE_NOTICE}", err=True)
    if sys.stdin is None or sys.stdout is None:
        raise PhoneFailure("--jsonl needs standard input and standard output, and one of them is closed")
    output = sys.stdout.buffer
    try:
        for answers in jsonl.answers(scorer, cast("io.BufferedReader", sys.stdin.buffer)):
            with _writing():
                output.write(answers)
                output.flush()
    except jsonl.InputError as error:
        raise PhoneFailure(str(error)) from error


def _show(renderable: RenderableType) -> None:
    with _writing():
        Console(highlight=False).print(renderable)


@contextmanager
def _writing() -> Iterator[None]:
    """Turns what the output refuses into one line; that a reader went away is for click, which ends in silence."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise PhoneFailure(f"cannot write the answer: {error.strerror}") from error


def _as_typed(text: str) -> str:
    """Gives an argument as it was typed: a locale without Chinese leaves its bytes, UTF-8, as lone surrogates."""
    if not any("\udc80" <= character <= "\udcff" for character in text):
        return text
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


def _language(chosen: str | None) -> Language:
    if chosen:
        return Language(chosen)
    words = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    spoken = next((word for word in words if word), None) or locale.getlocale()[0] or ""
    return Language.CHINESE if spoken.startswith("zh") else Language.ENGLISH


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise PhoneFailure(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_MODEL_BYTES:
        raise PhoneFailure(f"{path} is too long")
    return content


def _unpacked(content: bytes, path: Path) -> bytes:
    """Gives the model itself, also of a model.onnx.gz."""
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, MAX_MODEL_BYTES)
    except zlib.error as error:
        raise PhoneFailure(f"{path} is a damaged gzip file") from error
    return unpacked
