"""`quietline evaluate`: how a release does on labelled messages that anyone brings."""

from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress

from mobile_model.chosen_release import ChosenRelease, NoRelease, OpenRelease, release_options
from mobile_model.scorer import Scorer
from services.progress import StepBars, step_columns
from services.results import result_console, write_result
from services.training.folders import FolderError
from services.training.judging.counting import Answer, Decide
from services.training.judging.disguises import judge_disguises
from services.training.judging.figures import Judgement, Subject
from services.training.judging.judge import decide_all, judge
from services.training.judging.messages import LabelledMessage, read_messages
from services.training.judging.report import render_judgement
from services.training.judging.terminal import judgement_screen, mistaken_messages
from shared.categories import Strictness

err = Console(stderr=True, highlight=False)

_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help='Folder of JSONL, {"text", "label", "source"?} a line. 带标签的短信',
)
@click.option("--disguise", is_flag=True, help="Judge disguised, hidden and split copies as well. 伪装后的短信")
@click.option("--json", "json_file", type=_FILE, help="Where to put every figure; no text of a message. 结果文件")
@click.option("--html", "html_file", type=_FILE, help="Where to put a page with plots; no text of a message. 网页报告")
@click.option(
    "--errors",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="List at most N messages of each kind of mistake WITH THEIR TEXT, here and in no file. 列出误判原文",
)
@release_options
def evaluate(
    data: Path, json_file: Path | None, html_file: Path | None, errors: int, *, disguise: bool, **source: Any
) -> None:
    """Evaluate a release on your own labelled messages. 用自己的短信评估模型。

    Labels are the categories and `legitimate` (personal or transactional), `spam` (mostly marketing), `porn_soft` and
    `porn_coded`. Nothing leaves this machine, and no file holds the text of a message.
    """
    release = ChosenRelease(**source).open()
    if isinstance(release, NoRelease):
        raise click.ClickException(f"{release.words}; `quietline phone update` looks for one")
    subject = Subject(
        release=release.card.version,
        model_sha256=release.card.model.sha256,
        strictness=Strictness(source["strictness"]),
    )
    with Progress(*step_columns(), console=err, expand=True) as progress:
        bars = StepBars(progress)
        messages, answers, judgement = _judge(data, release, subject, bars, disguise=disguise)
        page = render_judgement(judgement, bars.start("draw")) if html_file else b""
        bars.finish()
    out = result_console()
    out.print(judgement_screen(judgement))
    if errors:
        for line in mistaken_messages(messages, answers, errors):
            out.print(line, soft_wrap=True)
    if json_file:
        write_result(json_file, judgement.to_json())
    if html_file:
        write_result(html_file, page)


def _judge(
    data: Path, release: OpenRelease, subject: Subject, bars: StepBars, *, disguise: bool
) -> tuple[list[LabelledMessage], list[Answer], Judgement]:
    try:
        messages = read_messages(data, bars.start("read"))
    except FolderError as error:
        raise click.ClickException(str(error)) from error
    decide = _decide_with(release.scorer)
    answers = decide_all(messages, decide, bars.start("score"))
    disguises = judge_disguises(messages, answers, decide, bars.start("disguise")) if disguise else ()
    return messages, answers, judge(subject, messages, answers, disguises)


def _decide_with(scorer: Scorer) -> Decide:
    def decide(text: str) -> Answer:
        verdict = scorer.score(text)
        return Answer(verdict.category, verdict.action, verdict.harassment)

    return decide
