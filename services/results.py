"""Where commands put their results: the terminal, and files that were asked for."""

import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console

_PIPED_WIDTH: Final = 120
"""Of what is read from a file or a pipe, where no terminal says how wide it is."""


def result_console() -> Console:
    """Gives standard output, wide enough for tables wherever it leads."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def write_result(path: Path, content: bytes) -> None:
    """Writes a file, and says so.

    Raises:
        ClickException: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}")
