"""Folders that may not be read: the tests may run as root, whom no mode of a folder keeps out."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes the file system refuse whatever is asked of a folder and what is below it."""
    stat, open_file = Path.stat, Path.open

    def refuse_below(path: Path) -> None:
        if path.is_relative_to(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def refusing_stat(path: Path, **options: Any) -> os.stat_result:
        refuse_below(path)
        return stat(path, **options)

    def refusing_open(path: Path, *arguments: Any, **options: Any) -> Any:
        refuse_below(path)
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "stat", refusing_stat)
    monkeypatch.setattr(Path, "open", refusing_open)
