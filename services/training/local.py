"""`quietline train --data DIR`: the same recipe on a folder of JSONL, here and now, without a suite.

Research corpora know two labels that Quietline does not: `legitimate` is personal or transactional, not told apart;
`spam` is marketing and worse, nearly all of it marketing. `spam` is taken for `promotion`. A `legitimate` message
goes to the one of the two categories that a classifier finds likelier which was fitted on all other messages of the
folder; where only one of the two occurs in the folder, to that one, and where neither does, to `personal`. So an
unlabelled notice may stand under `personal`: both are allowed, and only the figures that tell the two apart are
blurred.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID

from mobile_model.classifier import HashedNgramClassifier
from services.progress import step_columns
from services.training import artifacts
from services.training.artifacts import RunFolder
from services.training.calibration import calibrate
from services.training.candidates import make_candidate, with_figures
from services.training.dataset import Messages, refuse_if_unusable, stable_fraction
from services.training.evaluation import evaluate
from services.training.failures import RunFailure
from services.training.figures import Evaluation
from services.training.fitting import cross_fit, fit, local_engine
from services.training.folders import FolderError, read_file, read_lines
from services.training.parts import arrange
from services.training.recipe import Recipe
from services.training.report import render_report
from services.training.runs import Step
from shared.categories import LEGITIMATE, Category
from shared.folding import skeleton
from shared.redaction import fill

PARTIAL: Final = {"legitimate": LEGITIMATE, "spam": (Category.PROMOTION,)}
"""Labels of research corpora, and the categories that each may stand for."""

_LABELS: Final = {category.value: (category,) for category in Category} | PARTIAL
_CHINESE: Final = re.compile("[\u3400-\u9fff]")
_MAX_TEXT: Final = 10_000


class LocalTrainingError(Exception):
    """The folder cannot be trained on; the text says which file, which line, and why."""


@dataclass(frozen=True)
class _Line:
    report_id: str
    text: str
    label: str
    topic: str | None
    campaign: str


def train_folder(
    data: Path,
    out: Path,
    console: Console,
    *,
    base: Iterable[bytes] = (),
    recipe: Recipe | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Evaluation:
    """Trains on every `*.jsonl` below a folder and writes model.onnx, card.json, evaluation.json and report.html.

    Args:
        data: folder of JSONL files; a line is `{"text", "category" or "label", "topic"?, "campaign"?}`.
        out: folder for the results; files of the same names are replaced.
        console: where progress is shown.
        base: further lines, such as those of the starter corpus.
        recipe: the settings; the usual ones if None.
        now: gives the time.

    Raises:
        LocalTrainingError: if a line cannot be read, or there is nothing to learn from.
        OSError: if the results cannot be written.
    """
    recipe = recipe or Recipe()
    try:
        with console.status(f"Reading {data}"):  # which leaves nothing behind, as bars do, above a complaint of a line
            messages = _read(data, base, recipe)
        with Progress(*step_columns(), console=console, expand=True) as progress:
            bars: dict[Step, TaskID] = {
                step: progress.add_task(step, total=1, start=False, note="")
                for step in Step
                if step not in {Step.READ, Step.SUBMIT}
            }
            return _train(messages, out, recipe=recipe, created_at=now(), bars=_Bars(progress, bars))
    except RunFailure as failure:
        raise LocalTrainingError(f"nothing can be learned from {data}: {failure}") from failure
    except FolderError as error:
        raise LocalTrainingError(str(error)) from error


@dataclass(frozen=True)
class _Bars:
    progress: Progress
    tasks: dict[Step, TaskID]

    def of(self, step: Step) -> Callable[[int, int, str | None], None]:
        """Gives what a step tells how far it is."""
        self.progress.start_task(self.tasks[step])
        return lambda done, total, note: self.progress.update(
            self.tasks[step], completed=done, total=max(total, 1), note=note or ""
        )

    def end(self, step: Step) -> None:
        """Fills a step's bar."""
        total = self.progress.tasks[self.tasks[step]].total
        self.progress.update(self.tasks[step], completed=total, note="")


def _train(messages: Messages, out: Path, *, recipe: Recipe, created_at: datetime, bars: _Bars) -> Evaluation:
    folder = RunFolder(str(out.parent), out.name)
    on_fit = bars.of(Step.FIT)
    engine = local_engine(arrange(messages.to_table(), recipe), recipe, on_fit)
    classifier = fit(engine, recipe, on_fit)
    bars.end(Step.FIT)
    calibration = calibrate(cross_fit(engine, recipe, bars.of(Step.CALIBRATE)), recipe)
    bars.end(Step.CALIBRATE)
    bars.of(Step.EXPORT)(0, 1, None)
    candidate = make_candidate(
        classifier,
        calibration,
        recipe,
        run_id=uuid.uuid4().hex,
        created_at=created_at,
        data_digest=messages.digest(),
    )
    bars.end(Step.EXPORT)
    on_judged = bars.of(Step.EVALUATE)
    held_out = messages.judging
    trained_on = len(messages) - len(held_out)
    evaluation = evaluate(candidate, None, held_out, recipe, on_judged, trained_on=trained_on, classifier=classifier)
    files = {
        artifacts.MODEL: candidate.model,
        artifacts.CARD: with_figures(candidate, evaluation).card.to_json(),
        artifacts.EVALUATION: evaluation.to_json(),
        artifacts.REPORT: render_report(evaluation, on_judged),
    }
    for name, content in files.items():
        folder.write(name, content)
    bars.end(Step.EVALUATE)
    return evaluation


def _read(data: Path, base: Iterable[bytes], recipe: Recipe) -> Messages:
    lines = [*_read_folder(data), *read_lines(base, "base", _reader("base"))]
    messages = _resolve(_as_messages(lines, recipe), [line.label for line in lines], recipe)
    refuse_if_unusable(messages.categories, messages.held_out)
    return messages


def _read_folder(data: Path) -> Iterator[_Line]:
    paths = sorted(data.rglob("*.jsonl"))
    if not paths:
        raise FolderError(f"{data} holds no .jsonl file")
    for path in paths:
        yield from read_file(path, _reader(path.relative_to(data).with_suffix("").as_posix()))


def _reader(name: str) -> Callable[[int, dict[str, Any]], _Line]:
    """Gives what reads a line of a file; the ids of reports are made of the file's name."""
    return lambda number, row: _read_line(f"{name}/{number}", row)


def _read_line(report_id: str, row: dict[str, Any]) -> _Line:
    text, label = row.get("text", row.get("body")), row.get("category", row.get("label"))
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT:
        raise FolderError(f"`text` must be a text of 1 to {_MAX_TEXT} characters")
    if label is None or label == "":
        raise FolderError(
            f"it has no `category`, and only labelled messages can be learned from; "
            f"give it one of {', '.join(_LABELS)}, or leave the line out"
        )
    if not isinstance(label, str) or label not in _LABELS:
        raise FolderError(f"its `category` is unknown; it must be one of {', '.join(_LABELS)}")
    topic, campaign = _text_or_none(row, "topic"), _text_or_none(row, "campaign") or _kin(text)
    return _Line(report_id, fill(text, seed=report_id), label, topic, campaign)


def _text_or_none(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def _kin(text: str) -> str:
    """Gives what near-copies have in common: Chinese characters if there are any, otherwise letters without digits."""
    letters = skeleton(text)
    chinese = "".join(_CHINESE.findall(letters))
    return chinese or "".join(letter for letter in letters if not letter.isdigit()) or letters


def _as_messages(lines: list[_Line], recipe: Recipe) -> Messages:
    return Messages(
        report_ids=[line.report_id for line in lines],
        texts=[line.text for line in lines],
        categories=np.array([_LABELS[line.label][0].value for line in lines], dtype="U16"),
        topics=[line.topic for line in lines],
        campaigns=[line.campaign for line in lines],
        weights=np.ones(len(lines)),
        held_out=np.array(
            [stable_fraction("held out", line.campaign) < recipe.held_out_share for line in lines], dtype=np.bool_
        ),
    )


def _resolve(messages: Messages, labels: list[str], recipe: Recipe) -> Messages:
    """Gives every message with a partial label the likeliest of the categories that it may have."""
    unsure = np.array([label == "legitimate" for label in labels], dtype=np.bool_)
    known = [category for category in LEGITIMATE if category.value in set(messages.categories[~unsure].tolist())]
    if not unsure.any() or len(known) < len(LEGITIMATE):
        return replace(messages, categories=np.where(unsure, (known or LEGITIMATE)[0].value, messages.categories))
    sure = messages.where(~unsure)
    classifier = HashedNgramClassifier(l2=recipe.l2, max_iterations=recipe.fold_iterations)
    classifier.fit(sure.texts, sure.categories.tolist(), sure.weights)
    columns = [list(Category).index(category) for category in LEGITIMATE]
    likelier = classifier.predict_proba(messages.where(unsure).texts)[:, columns].argmax(axis=1)
    categories = messages.categories.copy()
    categories[unsure] = np.array([category.value for category in LEGITIMATE])[likelier]
    return replace(messages, categories=categories)
