"""`quietline doctor`: is the suite well, and if not, what helps?"""

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import httpx
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from services.doctor.folder import examine_folder
from services.doctor.suite import TIMEOUT, Found, SuiteDoctor
from services.doctor.words import remedy_of
from services.embedded import DataDirectory
from services.target import Target
from shared.web import State

STATES: Final = {
    State.OK: ("ok 正常", "green"),
    State.WARNING: ("warning 注意", "yellow"),
    State.FAILED: ("failed 故障", "bold red"),
}
FOLDER: Final = "folder"

out = Console(highlight=False)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Look at this folder of a suite too, which may be at rest.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def doctor(target: Target, data: Path | None, *, as_json: bool) -> None:
    """Check a running suite, and with --data its folder, in words. 体检。

    Databases, keys, signatures, room on the disk, clocks, the worker, training's calls to its peers, and whether a new
    phone can update. Ends with 1 if anything failed; a warning is none.
    """
    found = list(_suite_doctor(target).examine())
    if data is not None:
        found += [(FOLDER, finding) for finding in examine_folder(DataDirectory(data.resolve()), _now())]
    is_well = all(finding.state is not State.FAILED for _, finding in found)
    if as_json:
        findings = [{"where": where, **finding.model_dump(mode="json")} for where, finding in found]
        click.echo(json.dumps({"well": is_well, "findings": findings}, ensure_ascii=False, indent=1))
    else:
        _show(found)
    sys.exit(0 if is_well else 1)


def _suite_doctor(target: Target) -> SuiteDoctor:
    address = target.address.rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise click.ClickException(f"an address looks like http://127.0.0.1:8700, not {address}")
    try:
        httpx.URL(address)
    except httpx.InvalidURL as error:
        raise click.ClickException(f"an address looks like http://127.0.0.1:8700, not {address}") from error
    try:
        key = target.key_file.read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        key = None
    return SuiteDoctor(address, key, _new_client, _now)


def _new_client() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT, follow_redirects=True)


def _now() -> datetime:
    return datetime.now(UTC)


def _show(found: list[Found]) -> None:
    table = Table(
        Column("where 位置", no_wrap=True), "check 检查", Column("state 状态", no_wrap=True), "what was found 结果"
    )
    before = ""
    for where, finding in found:
        remedy = remedy_of(finding.check)
        name, style = STATES[finding.state]
        words = Text(finding.words)
        if finding.state is not State.OK and remedy.advice:
            words.append(f"\n{remedy.advice}\n{remedy.advice_zh}", style="dim")
        title = f"{remedy.name} {remedy.name_zh}".strip()
        table.add_row(where if where != before else "", title, Text(name, style=style), words)
        before = where
    out.print(table)
    counts = Counter(finding.state for _, finding in found)
    summary = f"{counts[State.OK]} ok, {counts[State.WARNING]} warnings, {counts[State.FAILED]} failed"
    out.print(f"{summary}   {counts[State.OK]} 项正常，{counts[State.WARNING]} 项注意，{counts[State.FAILED]} 项故障")
