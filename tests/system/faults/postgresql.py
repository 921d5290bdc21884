"""A PostgreSQL server of one's own, from Debian's packages, that can be stopped and started at will."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of servers, one folder for each version."""
ACCOUNT = "postgres"
"""Debian's account for servers; PostgreSQL refuses to run as root."""
USER = "quietline"


def programs() -> Path | None:
    """Gives the folder of PostgreSQL's programs, or None where it is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    return next((file.parent for file in sorted(DEBIAN.glob("*/bin/initdb"), reverse=True)), None)


class Server:
    """One server with the databases that were asked for; it listens on a Unix socket only."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin, self._folder = bin_folder, folder
        self._account = ACCOUNT if os.geteuid() == 0 else None

    def create(self, databases: tuple[str, ...]) -> None:
        self._folder.mkdir()
        if self._account is not None:
            shutil.chown(self._folder, self._account)
            for parent in self._folder.parents[:2]:
                parent.chmod(parent.stat().st_mode | 0o011)  # so that the account reaches its folder
        self._run("initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale", "C")
        self.start()
        for name in databases:
            socket = str(self._folder)
            self._run("createdb", "-h", socket, "-U", USER, name, on_data=False)

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses= -c logging_collector=off"
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "server.log"), "-o", options)

    def stop(self, mode: str) -> None:
        """Stops the server: `fast` rolls back what is under way, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def url(self, database: str) -> str:
        url = URL.create("postgresql+psycopg", USER, database=database, query={"host": str(self._folder)})
        return url.render_as_string(hide_password=False)

    def _run(self, program: str, *arguments: str, on_data: bool = True) -> None:
        where = ["-D", str(self._folder / "data")] if on_data else []
        with (self._folder / "commands.log").open("ab") as log:
            subprocess.run(
                [self._bin / program, *where, *arguments],
                user=self._account,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                timeout=120,
            )


@contextmanager
def running_server(bin_folder: Path, folder: Path, databases: tuple[str, ...]) -> Iterator[Server]:
    server = Server(bin_folder, folder)
    server.create(databases)
    try:
        yield server
    finally:
        server.stop("immediate")
