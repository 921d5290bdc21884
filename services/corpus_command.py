"""`quietline corpus`: what whoever writes messages for the starter corpus wants to know of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

from services.corpus_screen import generalisation_screen, remark_lines, survey_screen
from services.ingestion.starter_corpus import lines_of, starter_corpus_folder
from services.ingestion.starter_corpus.check import Findings, check
from services.ingestion.starter_corpus.scenarios import Corpus, Remark, read_scenarios
from services.ingestion.starter_corpus.survey import Survey, survey
from services.progress import StepBars, step_columns
from services.results import result_console, write_result
from services.training.dataset import Messages
from services.training.failures import RunFailure
from services.training.generalisation import Generalisation, generalise
from services.training.recipe import Recipe
from shared.redaction import fill, mask

err = Console(stderr=True, highlight=False)

_BLOCK: Final = 500
_FEW_WARNINGS: Final = 20


@click.group()
def corpus() -> None:
    """Look after the starter corpus. 语料维护。"""


@corpus.command("check")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--generalise", "is_generalised", is_flag=True,
    help="Also judge every scenario and hard pair by models that never saw it (minutes). 检验举一反三",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False),
    help="Where to put every figure, fault and warning. 结果文件",
)  # fmt: skip
def check_corpus(paths: Sequence[Path], json_file: Path | None, *, is_generalised: bool) -> None:
    """Check scenario files, and say what the corpus holds. 检查语料。

    PATHS are folders of `<category>/<scenario>.toml`, or such files, and are taken together; without any, it is the
    corpus that is installed. Ends with exit code 2 if something must be mended.
    """
    with Progress(*step_columns(), console=err, expand=True, transient=True) as progress:
        bars = StepBars(progress)
        read = read_scenarios(paths or [starter_corpus_folder()])
        findings = check(read, bars.start("check"))
        counted = survey(read, findings)
        generalised = _generalise(read, bars) if is_generalised and read.messages else None
    out = result_console()
    if read.messages:
        out.print(survey_screen(counted))
    if generalised is not None:
        out.print(generalisation_screen(generalised))
    for title, remarks, limit in (
        ("must be mended", findings.faults, None),
        ("should be looked at", findings.warnings, _FEW_WARNINGS),
    ):
        for line in remark_lines(title, remarks, limit):
            out.print(line, soft_wrap=True, markup=False)
    if json_file is not None:
        document = _document(findings, counted, generalised)
        write_result(json_file, json.dumps(document, ensure_ascii=False, indent=1).encode())
    if findings.faults:
        raise click.ClickException(f"{len(findings.faults)} faults must be mended, as listed above")
    if not read.messages:
        raise click.ClickException("no scenario file was found; they are <category>/<scenario>.toml")


def _generalise(read: Corpus, bars: StepBars) -> Generalisation:
    """Judges the messages as training meets them: masked when they were handed in, and filled again."""
    on_line = bars.start("mask")
    texts: list[str] = []
    for number, line in enumerate(lines_of(read)):
        if number % _BLOCK == 0:
            on_line(number, len(read.messages))
        texts.append(fill(mask(line["text"], line["sender"]), seed=line["id"]))
    messages = Messages(
        report_ids=[message.id for message in read.messages],
        texts=texts,
        categories=np.array([message.category.value for message in read.messages], dtype="U16"),
        topics=[message.topic for message in read.messages],
        campaigns=[message.pair or message.id for message in read.messages],
        weights=np.ones(len(read.messages)),
        held_out=np.zeros(len(read.messages), dtype=np.bool_),
    )
    names = [scenario.name for scenario in read.scenarios for _ in scenario.messages]
    pairs = [message.pair for message in read.messages]
    try:
        return generalise(messages, names, pairs, Recipe(), bars.start("fit"))
    except RunFailure as failure:
        raise click.ClickException(f"nothing can be said of scenarios that were left out: {failure}") from failure


def _document(findings: Findings, counted: Survey, generalised: Generalisation | None) -> dict[str, Any]:
    def listed(remarks: Sequence[Remark]) -> list[dict[str, Any]]:
        return [asdict(remark) for remark in remarks]

    return {
        "faults": listed(findings.faults),
        "warnings": listed(findings.warnings),
        "survey": asdict(counted),
        "generalisation": generalised.document() if generalised is not None else None,
    }
