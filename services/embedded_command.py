"""`quietline up`: the whole suite in one process."""

from pathlib import Path

import click
from rich.console import Console

from services.embedded import DataDirectory, PortInUseError, SuiteRunsAlreadyError, serve
from services.target import DEFAULT_PORT
from shared.auth import KeyFileError

err = Console(stderr=True, highlight=False)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
    show_default=True,
    help="Folder that holds everything the suite keeps.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65535))
def up(data: Path, host: str, port: int) -> None:
    """Run the three services in one process until Ctrl-C. 启动全部服务。"""
    address = f"http://{host}:{port}"

    def say_ready() -> None:
        err.print(f"Quietline answers at [bold]{address}[/]   (Ctrl-C ends it; a run under way goes on next time)")

    try:
        serve(DataDirectory(data.resolve()), host, port, say_ready)
    except PortInUseError as error:
        raise click.ClickException(f"{error}; choose another with --port, or --host") from error
    except SuiteRunsAlreadyError as error:
        raise click.ClickException(
            f"a suite already runs on {data} at {error}; name another folder with --data"
        ) from error
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot use the folder {data}: {error.strerror}") from error
