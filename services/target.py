"""Which suite a command talks to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from services.client import SuiteClient, SuiteError

DEFAULT_PORT: Final = 8700
DEFAULT_ADDRESS: Final = f"http://127.0.0.1:{DEFAULT_PORT}"


@dataclass(frozen=True)
class Target:
    """Which suite a command talks to."""

    address: str
    key_file: Path

    @contextmanager
    def connect(self) -> Iterator[SuiteClient]:
        """Opens a client; its errors end the command."""
        try:
            key = self.key_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.ClickException(
                f"cannot read the key {self.key_file}; `quietline up` makes it, --key-file names another"
            ) from error
        if not key or not key.isprintable() or " " in key:
            raise click.ClickException(f"{self.key_file} holds no key")
        try:
            client = SuiteClient(self.address, key)
        except SuiteError as error:
            raise click.ClickException(str(error)) from error
        try:
            yield client
        except SuiteError as error:
            raise click.ClickException(str(error)) from error
        finally:
            client.close()
