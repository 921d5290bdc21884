"""`quietline backup` and `quietline restore`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import click
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.backup import archive
from services.backup.errors import BackupError
from services.backup.manifest import Manifest
from services.backup.places import Places
from services.embedded import DataDirectory
from services.registry.files import Disk
from services.registry.metadata import RepositoryError
from services.registry.publishing import locked
from services.registry.repository import Repository
from services.registry.signing import KeyFolder, SigningKeyError
from shared.database import DATABASE_ERRORS, kind_of

err = Console(stderr=True, highlight=False)

Decorated = Callable[..., Any]


def _where(command: Decorated) -> Decorated:
    """Adds the options that say which suite is meant."""
    data = click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("var"),
        show_default=True,
        help="Folder of a suite that `quietline up` runs.",
    )
    environment = click.option(
        "--from-environment",
        is_flag=True,
        help="Find everything by the services' own variables instead, as in compose.",
    )
    return data(environment(command))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_where
def backup(folder: Path, data: Path, *, from_environment: bool) -> None:
    """Save a suite, running or not, to a new FOLDER. 备份。

    Databases, snapshots, runs, models, what was published, and the keys that are online. The backup holds keys and
    reports: lock it up as the suite itself.
    """
    with _one_line_errors(), _Bar() as bar:
        places = _places(data, from_environment=from_environment)
        manifest = archive.back_up(places, folder, _now(), bar.stage, bar.told)
    click.echo(f"{folder}: {len(manifest.entries)} files, {manifest.bytes / 1e6:.1f} MB")
    click.echo(f"bring it back with: quietline restore {folder}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_where
def restore(folder: Path, data: Path, *, from_environment: bool) -> None:
    """Bring a backup in FOLDER back where there is no suite. 恢复。

    Every file is compared with its digest first, and nothing that is there already is overwritten. Afterwards the
    published metadata is signed anew under higher versions, so that phones follow that saw more than the backup knows.
    """
    with _one_line_errors(), _Bar() as bar:
        places = _places(data, from_environment=from_environment)
        if not from_environment and (address := DataDirectory(data).running_at()) is not None:
            raise click.ClickException(f"a suite runs on {data} at {address}; stop it, or name another folder")
        manifest = Manifest.read(folder)
        bar.stage("checking", total=2 * manifest.bytes)
        manifest.check(folder, bar.told)
        archive.restore(places, folder, manifest, bar.stage, bar.told)
        is_complete = _leap(places)
    click.echo(f"{len(manifest.entries)} files of {manifest.made_at:%Y-%m-%d %H:%M} UTC are back")
    if not is_complete:
        click.echo("the targets key is offline: bring it and promote once more, so that every phone follows")


def _places(data: Path, *, from_environment: bool) -> Places:
    if from_environment:
        try:
            return Places.from_environment()
        except ValidationError as error:
            missing = ", ".join(str(fault["loc"][-1]) for fault in error.errors(include_input=False, include_url=False))
            raise click.ClickException(
                f"the environment lacks {missing} of {error.title}; services/README.md lists what services are told"
            ) from error
    directory = DataDirectory(data.resolve())
    return Places.of(directory.ingestion(), directory.training(), directory.registry())


def _leap(places: Places) -> bool:
    settings, disk = places.registry, Disk()
    keys = KeyFolder(settings.tuf_keys_dir, disk)
    with locked(places.lock_file):
        return Repository(settings.publish_dir, keys, _now, disk).leap()


def _now() -> datetime:
    return datetime.now(UTC)


class _Bar:
    """A bar that is shown when the first thing is done, so that a refusal before it is one line."""

    def __init__(self) -> None:
        what = TextColumn("{task.description:<22}")
        columns = (SpinnerColumn(), what, BarColumn(20), DownloadColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=err, transient=True)
        self._task = self._progress.add_task("", total=None)
        self._is_shown = False

    def stage(self, what: str, total: int | None = None) -> None:
        """Says what is being done, and if it is known how many bytes there are in all."""
        self._progress.update(self._task, description=what)
        if total is not None:
            self._progress.update(self._task, total=total)
        if not self._is_shown and err.is_terminal:
            self._progress.start()
            self._is_shown = True

    def told(self, more: int) -> None:
        """Says how many bytes more were dealt with."""
        self._progress.advance(self._task, more)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._progress.stop()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (BackupError, RepositoryError, SigningKeyError) as error:
        raise click.ClickException(str(error)) from error
    except DATABASE_ERRORS as error:
        raise click.ClickException(f"a database does not answer ({kind_of(error)})") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the disk'}: {error.strerror}") from error
