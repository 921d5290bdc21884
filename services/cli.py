"""The `quietline` command: a table of contents of what it can do.

Each command lives in the module named here and is loaded when it is used, so that a phone that scores messages does not
wait for the libraries of the services. A command that cannot go on raises `click.ClickException` with words that say
what to do; here, and nowhere else, they become one line on standard error and exit code 2.
"""

import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
from click.exceptions import NoArgsIsHelpError

from services.target import DEFAULT_ADDRESS, Target

COMMANDS: Final = {
    "demo": ("services.demo:demo", "Walk the whole road of a message on this machine. 完整演示"),
    "up": ("services.embedded_command:up", "Run the three services in one process until Ctrl-C. 启动全部服务"),
    "import": ("services.commands:import_file", "Hand in a file of reports. 批量导入举报"),
    "snapshot": ("services.commands:snapshot", "Freeze the verified reports. 冻结数据快照"),
    "train": ("services.training_command:train", "Train on a snapshot, or on a folder of messages. 训练模型"),
    "evaluate": ("services.evaluation_command:evaluate", "Evaluate a release on your own labelled messages. 评估模型"),
    "corpus": ("services.corpus_command:corpus", "Check the messages that a first model learns from. 语料维护"),
    "release": ("services.commands:release", "Promote, roll back, withdraw, look back. 发布管理"),
    "keys": ("services.registry.commands:keys", "Make and rotate keys. 密钥管理"),
    "doctor": ("services.doctor.command:doctor", "Check a running suite and its folder, in words. 体检"),
    "backup": ("services.backup.command:backup", "Save a suite, running or not, to a new folder. 备份"),
    "restore": ("services.backup.command:restore", "Bring a backup back where there is no suite. 恢复"),
    "phone": ("mobile_model.cli:phone", "Be a phone: update, score, explain. 手机端"),
}


class Failure(click.ClickException):
    """Why a command cannot go on: one line on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the line."""
        click.echo(f"quietline: {' '.join(self.format_message().split())}", file=file or sys.stderr)


@contextmanager
def _one_line() -> Iterator[None]:
    """Turns whatever a command says when it cannot go on into a `Failure`."""
    try:
        yield
    except NoArgsIsHelpError:
        raise  # whoever names no command is shown which there are
    except click.UsageError as error:
        words = error.format_message()
        more = f" `{error.ctx.command_path} --help` shows how." if error.ctx else ""
        raise Failure(f"{words}{'' if words.endswith(('.', '?', '!')) else '.'}{more}") from error
    except click.ClickException as error:
        raise Failure(error.format_message()) from error


class TableOfContents(click.Group):
    """A group that loads a command when it is used."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Reads the command line; what a terminal's encoding does not have is escaped, and ends no command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        with _one_line():
            return super().make_context(info_name, args, parent, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Loads the command, or gives None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        with _one_line():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - same
        """Lists the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=TableOfContents, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="quietline")
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, envvar="QUIETLINE_ADDRESS", help="The suite.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    default=Path("var/admin.key"),
    show_default=True,
    envvar="QUIETLINE_KEY_FILE",
    help="File with the bearer key.",
)
@click.pass_context
def main(context: click.Context, address: str, key_file: Path) -> None:
    """Quietline stops harassment text messages on the phone. 静线：在手机上拦住骚扰短信。

    New here? `quietline demo` walks the whole road of a message on this machine.
    """
    context.obj = Target(address, key_file)
