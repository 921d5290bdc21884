"""Commands that talk to a running suite: import, snapshot, release."""

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from services.ingestion.importers import FORMATS, ImportFileError, read_reports, source_name
from services.progress import follow_import
from services.target import Target
from shared.release_card import VERSION_PATTERN

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--format", "format_name", type=click.Choice(sorted(FORMATS)), help="Guessed from the name if not given.")
@click.option("--source", help="Name of where the reports come from; the file's name if not given.")
@click.option("--kind", type=click.Choice(["operator", "community", "corpus"]), default="operator", show_default=True)
@click.pass_obj
def import_file(target: Target, file: Path, format_name: str | None, source: str | None, kind: str) -> None:
    """Hand in a file of reports: JSONL, CSV, or a public corpus. 批量导入举报。"""
    try:
        lines = read_reports(file, format_name)
        with target.connect() as client:
            result = follow_import(client, lines, source=source or source_name(file), source_kind=kind, console=err)
    except ImportFileError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{result.read} lines: {result.accepted} accepted, {result.duplicates} known already, {result.refused} refused"
    )
    for remark in result.remarks():
        click.echo(remark)
    if result.refused:
        sys.exit(1)


@click.command()
@click.pass_obj
def snapshot(target: Target) -> None:
    """Freeze the verified reports into an immutable data set. 冻结数据快照。"""
    with target.connect() as client, err.status("Freezing the snapshot"):
        made = client.post("/ingestion/v1/snapshots", repeatable=True)
    click.echo(f"snapshot {made['id']}: {made['reports']} reports, {made['digest']}")


@click.group()
def release() -> None:
    """Look at releases, promote them, roll back, withdraw. 发布管理。"""


@release.command("list")
@click.pass_obj
def list_releases(target: Target) -> None:
    """Show the candidates and releases, newest first, and which is in service on which channel."""
    table = Table(Column("version", no_wrap=True), "state", "submitted", "why")
    with target.connect() as client:
        channels = list(client.get_all("/registry/v1/channels"))
        for item in client.get_all("/registry/v1/releases"):
            state = "\n".join([item["state"], *_offers(item["version"], channels)])
            table.add_row(item["version"], state, _minute(item["submitted_at"]), "; ".join(item["reasons"]))
    out.print(table)


def _version(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if VERSION_PATTERN.fullmatch(text) is None:
        raise click.ClickException(f"{text} is no version; `quietline release list` shows those there are")
    return text


@release.command()
@click.argument("version", callback=_version)
@click.option("--channel", default="stable", show_default=True)
@click.option("--percentage", default=100, show_default=True, type=click.IntRange(1, 100), help="Share of phones.")
@click.pass_obj
def promote(target: Target, version: str, channel: str, percentage: int) -> None:
    """Put VERSION into service on a channel, for all phones or a share of them."""
    with target.connect() as client:
        client.post(f"/registry/v1/channels/{channel}/promote", {"version": version, "percentage": percentage})
    click.echo(f"{channel} now offers {version} to {percentage} % of the phones")


@release.command("rollback")
@click.option("--channel", default="stable", show_default=True)
@click.pass_obj
def roll_back(target: Target, channel: str) -> None:
    """Put the release before back into service."""
    with target.connect() as client:
        now = client.post(f"/registry/v1/channels/{channel}/rollback")
    click.echo(f"{channel} is back at {now['release']}")


@release.command()
@click.argument("version", callback=_version)
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.pass_obj
def withdraw(target: Target, version: str, reason: str) -> None:
    """Take VERSION out of service everywhere; phones leave it."""
    with target.connect() as client:
        client.post(f"/registry/v1/releases/{version}/withdraw", {"reason": reason}, repeatable=True)
    click.echo(f"{version} is withdrawn")


@release.command()
@click.option("--channel", default="stable", show_default=True)
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="State at the end of this day (UTC).")
@click.pass_obj
def history(target: Target, channel: str, day: Any) -> None:
    """Show what was on a channel when, who approved it, and on what figures."""
    table = Table("when", "what", "by", Column("in service since", no_wrap=True), "approved by, on figures")
    query = {"on": f"{day:%Y-%m-%d}"} if day else {}
    with target.connect() as client:
        for item in client.get(f"/registry/v1/channels/{channel}/history", **query)["items"]:
            share = f" at {item['percentage']} %" if item["percentage"] is not None else ""
            # In service since then is mostly what was promoted, and then is not said twice.
            version = item["version"] if item["version"] not in {None, item["release"]} else ""
            what = f"{item['event']}{share} {version}".strip()
            table.add_row(_minute(item["at"]), what, item["approver"], item["release"] or "none", _approval(item))
    out.print(table)


def _offers(version: str, channels: list[dict[str, Any]]) -> Iterator[str]:
    """Says on which channels a release is in service, or offered to a share of the phones."""
    for channel in channels:
        if version == channel["release"]:
            yield f"on {channel['name']}"
        elif version == channel["candidate"]:
            yield f"on {channel['name']} at {channel['percentage']} %"


def _minute(at: str) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M}"


def _approval(item: dict[str, Any]) -> str:
    """Says who let a release into service, and how it does on held-out messages, in its weakest points."""
    if item["approval"] is None:
        return ""
    figures = {name: rate for name, rate in item["approval"]["figures"].items() if rate is not None}
    recall = min((rate for name, rate in figures.items() if name.startswith("recall_")), default=None)
    hidden = max((rate for name, rate in figures.items() if name.startswith("hidden_")), default=None)
    words = [item["approval"]["approver"]]
    if recall is not None:
        words.append(f"recall at least {recall:.0%}")
    if hidden is not None:
        words.append(f"hidden at most {hidden:.1%}")
    return ", ".join(words)
