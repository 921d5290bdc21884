"""Commands that talk to a running suite: import, snapshot, train, release."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from services.ingestion.importers import FORMATS, ImportFileError, read_reports, source_name
from services.progress import follow_import, follow_run
from services.target import Failure, Target
from services.training.local import LocalTrainingError, train_folder

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
        raise Failure(str(error)) from error
    out.print(
        f"{result.read} lines: {result.accepted} accepted, {result.duplicates} known already, {result.refused} refused"
    )
    if result.refused:
        sys.exit(1)


@click.command()
@click.pass_obj
def snapshot(target: Target) -> None:
    """Freeze the verified reports into an immutable data set. 冻结数据快照。"""
    with target.connect() as client, err.status("Freezing the snapshot"):
        made = client.post("/ingestion/v1/snapshots")
    out.print(f"snapshot {made['id']}: {made['reports']} reports, {made['digest']}")


@click.command()
@click.option("--snapshot", "snapshot_id", default="latest", show_default=True, help="Which snapshot to train on.")
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of JSONL instead.")
@click.option(
    "--out", "out_dir", type=click.Path(path_type=Path), default=Path("var/trained"), show_default=True,
    help="Where --data puts model.onnx, card.json and report.html.",
)  # fmt: skip
@click.pass_obj
def train(target: Target, snapshot_id: str, data: Path | None, out_dir: Path) -> None:
    """Train: a run on the suite, or with --data here and now without a suite. 训练模型。"""
    if data is not None:
        try:
            train_folder(data, out_dir, err)
        except LocalTrainingError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            raise Failure(f"cannot write to {out_dir}: {error.strerror}") from error
        out.print(f"{out_dir}/model.onnx, card.json, report.html")
        return
    with target.connect() as client:
        run = client.post("/training/v1/runs", {"snapshot": snapshot_id})
        ended = follow_run(client, run["id"], err)
    out.print(f"run {ended['id']}: {ended['state']}, release {ended['release']}")
    if ended["state"] != "succeeded":
        raise Failure((ended.get("problem") or {}).get("detail") or f"the run ended as {ended['state']}")


@click.group()
def release() -> None:
    """Look at releases, promote them, roll back, withdraw. 发布管理。"""


@release.command("list")
@click.pass_obj
def list_releases(target: Target) -> None:
    """Show the candidates and releases, newest first."""
    table = Table(Column("version", no_wrap=True), "state", "submitted", "why")
    with target.connect() as client:
        for item in client.get("/registry/v1/releases")["items"]:
            table.add_row(item["version"], item["state"], item["submitted_at"], "; ".join(item["reasons"]))
    out.print(table)


@release.command()
@click.argument("version")
@click.option("--channel", default="stable", show_default=True)
@click.option("--percentage", default=100, show_default=True, type=click.IntRange(1, 100), help="Share of phones.")
@click.pass_obj
def promote(target: Target, version: str, channel: str, percentage: int) -> None:
    """Put VERSION into service on a channel, for all phones or a share of them."""
    with target.connect() as client:
        client.post(f"/registry/v1/channels/{channel}/promote", {"version": version, "percentage": percentage})
    out.print(f"{channel} now offers {version} to {percentage} % of the phones")


@release.command("rollback")
@click.option("--channel", default="stable", show_default=True)
@click.pass_obj
def roll_back(target: Target, channel: str) -> None:
    """Put the release before back into service."""
    with target.connect() as client:
        now = client.post(f"/registry/v1/channels/{channel}/rollback")
    out.print(f"{channel} is back at {now['release']}")


@release.command()
@click.argument("version")
@click.option("--reason", required=True, help="Why; kept in the history.")
@click.pass_obj
def withdraw(target: Target, version: str, reason: str) -> None:
    """Take VERSION out of service everywhere; phones leave it."""
    with target.connect() as client:
        client.post(f"/registry/v1/releases/{version}/withdraw", {"reason": reason})
    out.print(f"{version} is withdrawn")


@release.command()
@click.option("--channel", default="stable", show_default=True)
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="State at the end of this day (UTC).")
@click.pass_obj
def history(target: Target, channel: str, day: Any) -> None:
    """Show what was on a channel when, who approved it, and on what figures."""
    table = Table("when", "what", "by", Column("in service since", no_wrap=True), "approved by", "on figures")
    query = {"on": f"{day:%Y-%m-%d}"} if day else {}
    with target.connect() as client:
        for item in client.get(f"/registry/v1/channels/{channel}/history", **query)["items"]:
            approval = item["approval"] or {"approver": "", "figures": {}}
            figures = ", ".join(f"{name} {rate:.3f}" for name, rate in approval["figures"].items() if rate is not None)
            share = f" at {item['percentage']} %" if item["percentage"] is not None else ""
            what = f"{item['event']} {item['version'] or ''}{share}"
            table.add_row(item["at"], what, item["approver"], item["release"] or "none", approval["approver"], figures)
    out.print(table)
