"""`quietline phone`: the reference phone on a command line.

Standard output holds nothing but the answer. What cannot be done is a `click.ClickException`, which `quietline` shows.
"""

import errno
import io
import locale
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import click
from rich.console import Console, RenderableType

from mobile_model import jsonl, screen
from mobile_model.advice import Language
from mobile_model.chosen_release import ChosenRelease, NoRelease, OpenRelease, read_file, source_options, state_option
from mobile_model.updater import PhoneStore, UpdateError, standing, update, utc_now
from mobile_model.updater.errors import InvalidRootError

DEFAULT_SOURCE: Final = "http://127.0.0.1:8700/tuf/"

_WHERE_ROOTS_ARE: Final = "a suite on this machine keeps its own at var/registry/tuf/metadata/1.root.json"

language_option = click.option(
    "--language",
    type=click.Choice([language.value for language in Language]),
    help="Language of the words shown; by the locale if left out. 显示语言",
)


@click.group()
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
    help=f"The root of trust, root.json, from someone you trust; {_WHERE_ROOTS_ARE}. 信任根文件",
)
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="Address of the published folder. 发布地址")
@click.option("--channel", default="stable", show_default=True, help="Which channel to follow. 渠道")
@click.option("--replace", is_flag=True, help="Throw away a phone that is there already. 覆盖已有手机数据")
@state_option
def init(root_file: Path, source: str, channel: str, state: Path, *, replace: bool) -> None:
    """Make a phone that trusts a root, and show the root's fingerprint to compare. 初始化。"""
    root = _read_root(root_file)
    try:
        fingerprint = PhoneStore(state).initialise(root, source, channel=channel, replace=replace)
    except InvalidRootError as error:
        raise click.ClickException(f"{root_file}: {error}; {_WHERE_ROOTS_ARE}") from error
    except UpdateError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{state} trusts the root {fingerprint}")


def _read_root(file: Path) -> bytes:
    try:
        return read_file(file)
    except click.ClickException as error:
        raise click.ClickException(f"{error.message}; {_WHERE_ROOTS_ARE}") from error


@phone.command(name="update")
@click.option("--source", help="Fetch from here this time. 临时发布地址")
@state_option
def fetch(source: str | None, state: Path) -> None:
    """Fetch the release that the channel names, check it, and switch to it. 更新模型。"""
    store = PhoneStore(state)
    try:
        outcome = update(store, source=source)
    except UpdateError as error:
        raise click.ClickException(_and_what_goes_on(str(error), store)) from error
    click.echo(outcome.describe())


def _and_what_goes_on(words: str, store: PhoneStore) -> str:
    """Adds to what went wrong in an update what scores messages nevertheless."""
    try:
        if not store.is_initialised():
            return words
        going_on = standing(store, utc_now())
    except UpdateError:
        return words
    return f"{words}{'' if words.endswith(('.', '?')) else '.'} {going_on[0].upper()}{going_on[1:]}"


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
        raise click.ClickException("give either a TEXT or --jsonl")
    release = ChosenRelease(**source).open()
    if text is None:
        _score_lines(release)
        return
    text, spoken = _as_typed(text), _language(language)
    if isinstance(release, NoRelease):
        _show(screen.no_release_panel(text, spoken, release.withdrawn))
    else:
        _show(screen.verdict_panel(text, release.scorer.explain(text, sender), spoken, release.age))


@phone.command()
@click.argument("text")
@language_option
@source_options
def explain(text: str, language: str | None, **source: Any) -> None:
    """Show which characters of a message speak for harassment. 说明是哪些字引起判断。"""
    text, spoken = _as_typed(text), _language(language)
    release = ChosenRelease(**source).open()
    if isinstance(release, NoRelease):
        _show(screen.no_release_panel(text, spoken, release.withdrawn))
    else:
        _show(screen.explanation_panel(text, release.scorer.explain(text), spoken))


def _score_lines(release: OpenRelease | NoRelease) -> None:
    scorer = None
    if isinstance(release, NoRelease):
        click.echo(f"quietline: {release.words}; `quietline phone update` looks for one", err=True)
    else:
        scorer = release.scorer
    if sys.stdin is None or sys.stdout is None:
        raise click.ClickException("--jsonl needs standard input and standard output, and one of them is closed")
    output = sys.stdout.buffer
    try:
        for answers in jsonl.answers(scorer, cast("io.BufferedReader", sys.stdin.buffer)):
            with _writing():
                output.write(answers)
                output.flush()
    except jsonl.InputError as error:
        raise click.ClickException(str(error)) from error


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
        raise click.ClickException(f"cannot write the answer: {error.strerror}") from error


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
