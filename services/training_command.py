"""`quietline train`: a run on a running suite, or here and now on a folder."""

from pathlib import Path

import click
from rich.console import Console

from services.ingestion.starter_corpus import read_starter_corpus
from services.progress import follow_run
from services.target import Target
from services.training.local import LocalTrainingError, train_folder

err = Console(stderr=True, highlight=False)


@click.command()
@click.option("--snapshot", "snapshot_id", default="latest", show_default=True, help="Which snapshot to train on.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of labelled JSONL instead.",
)
@click.option(
    "--out", "out_dir", type=click.Path(path_type=Path), default=Path("var/trained"), show_default=True,
    help="Where --data puts model.onnx, card.json and report.html.",
)  # fmt: skip
@click.option(
    "--starter/--no-starter", default=True, show_default=True,
    help="Whether --data is learned together with the starter corpus.",
)  # fmt: skip
@click.pass_obj
def train(target: Target, snapshot_id: str, data: Path | None, out_dir: Path, starter: bool) -> None:
    """Train: a run on the suite, or with --data here and now without a suite. 训练模型。"""
    if data is not None:
        try:
            train_folder(data, out_dir, err, base=read_starter_corpus() if starter else ())
        except LocalTrainingError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"cannot write to {out_dir}: {error.strerror}") from error
        click.echo(f"{out_dir}/model.onnx, card.json, report.html")
        return
    with target.connect() as client:
        run = client.post("/training/v1/runs", {"snapshot": snapshot_id}, repeatable=True)
        ended = follow_run(client, run["id"], err)
    if ended["state"] != "succeeded":
        why = (ended.get("problem") or {}).get("detail") or "its report says why"
        raise click.ClickException(f"run {ended['id']} ended as {ended['state']}: {why}")
    click.echo(f"run {ended['id']}: {ended['state']}, release {ended['release']}")
    click.echo(f"put it into service with: quietline release promote {ended['release']}")
