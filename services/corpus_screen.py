"""What `quietline corpus check` shows in a terminal."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group
from rich.table import Column, Table

from services.ingestion.starter_corpus.scenarios import Remark
from services.ingestion.starter_corpus.survey import Survey
from services.training.generalisation import LEAST_RECOGNISED, LEAST_TOLD_APART, Generalisation, ScenarioResult
from shared.categories import HARASSMENT, LEGITIMATE, Category


def survey_screen(survey: Survey) -> Group:
    """Gives the figures of a corpus, and which targets it meets."""
    lengths = ", ".join(f"{quantile:.0%} {length}" for quantile, length in survey.lengths.items())
    topics = ", ".join(f"{topic} {count:,}" for topic, count in survey.topics.items())
    return Group(
        _cells(survey),
        f"{survey.scenarios} scenarios and {survey.pair_files} files of {survey.pairs} hard pairs, of which "
        f"{survey.sharing_pairs} share most of their words",
        f"lengths (characters, quantiles): {lengths}; {survey.shorter:,} below 8, {survey.longer:,} above 300",
        f"topics (messages): {topics or 'none'}",
        "",
        *(
            f"{_mark(target.is_met)}: {target.name}: {target.found} (wanted: {target.wanted})"
            for target in survey.targets
        ),
    )


def generalisation_screen(result: Generalisation) -> Group:
    """Gives how kinds of messages are judged that were not learned from, and which targets are met."""
    harassment, targets = result.average(HARASSMENT), result.targets
    legitimate, promotion = result.average(LEGITIMATE), result.average([Category.PROMOTION])
    pairs = result.pairs
    return Group(
        "",
        "Scenarios and hard pairs that were left out of training",
        f"{_mark(targets['recognised'])}: recognised as harassment, on average over {harassment.scenarios} harassment "
        f"scenarios: {harassment.recognised:.1%} (wanted: at least {LEAST_RECOGNISED:.0%}); warned of at strictness "
        f"normal: {harassment.warned:.1%}",
        f"{_mark(targets['told_apart'])}: of {pairs.pairs} hard pairs told apart (the twin of harassment scores "
        f"higher, and it alone is recognised): {pairs.told_apart:.1%} (wanted: at least {LEAST_TOLD_APART:.0%})",
        f"{_mark(targets['ordered'])}: of these, the twin of harassment scores higher: {pairs.ordered:.1%}; "
        f"it alone is warned of: {pairs.warned_apart:.1%}",
        f"mistaken for harassment: {legitimate.recognised:.1%} of {legitimate.scenarios} legitimate scenarios, "
        f"{promotion.recognised:.1%} of {promotion.scenarios} of promotion; "
        f"warned of: {legitimate.warned:.1%} and {promotion.warned:.1%}",
        _worst("The least recognised harassment", result.worst(HARASSMENT)),
        _worst("The most mistaken of the others", result.worst([*LEGITIMATE, Category.PROMOTION])),
    )


def remark_lines(title: str, remarks: Sequence[Remark], limit: int | None) -> Iterator[str]:
    """Gives a line for each remark, or for so many, with the number of all."""
    if not remarks:
        return
    yield ""
    yield f"{len(remarks)} {title}:"
    for remark in remarks[:limit]:
        yield f"{_near(remark.file)}: {remark.message + ': ' if remark.message else ''}{remark.words}"
    if limit is not None and len(remarks) > limit:
        yield f"and {len(remarks) - limit} more; --json FILE lists all"


def _cells(survey: Survey) -> Table:
    numbers = ("scenarios", "messages", "distinct", "disguised", "twins")
    table = Table(Column("category", no_wrap=True), "language", *(Column(name, justify="right") for name in numbers))
    for cell in survey.cells:
        counts = (cell.scenarios, cell.messages, cell.distinct, cell.disguised, cell.twins)
        table.add_row(cell.category, cell.language, *(f"{count:,}" if count else "" for count in counts))
    totals = (survey.scenarios, survey.messages, survey.distinct, survey.disguised, 2 * survey.pairs)
    table.add_section()
    table.add_row("all", "", *(f"{count:,}" for count in totals))
    return table


def _worst(title: str, scenarios: Sequence[ScenarioResult]) -> Table:
    table = Table(
        Column("scenario", no_wrap=True), "category",
        *(Column(name, justify="right") for name in ("messages", "recognised", "warned of")),
        title=title, title_justify="left",
    )  # fmt: skip
    for scenario in scenarios:
        shares = (f"{scenario.recognised:.0%}", f"{scenario.warned:.0%}")
        table.add_row(scenario.name, scenario.category, str(scenario.messages), *shares)
    return table


def _mark(is_met: bool) -> str:
    return "met" if is_met else "NOT MET"


def _near(file: str) -> str:
    """Gives a file's name from here if it lies below, so that it is short."""
    return os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else file
