"""The `quietline` command: a table of contents of what it can do.

Each command lives in the module named here and is loaded when it is used, so that a phone that scores messages does not
wait for the libraries of the services. Errors are one line on standard error and exit code 2.
"""

import importlib
from pathlib import Path
from typing import Any, Final

import click

from services.target import DEFAULT_ADDRESS, Failure, Target

COMMANDS: Final = {
    "demo": ("services.demo:demo", "Walk the whole road of a message on this machine. 完整演示"),
    "up": ("services.embedded_command:up", "Run the three services in one process until Ctrl-C. 启动全部服务"),
    "import": ("services.commands:import_file", "Hand in a file of reports. 批量导入举报"),
    "snapshot": ("services.commands:snapshot", "Freeze the verified reports. 冻结数据快照"),
    "train": ("services.commands:train", "Train on a snapshot, or on a folder of messages. 训练模型"),
    "release": ("services.commands:release", "Promote, roll back, withdraw, look back. 发布管理"),
    "keys": ("services.registry.commands:keys", "Make and rotate keys. 密钥管理"),
    "phone": ("mobile_model.cli:phone", "Be a phone: update, score, explain. 手机端"),
}


class TableOfContents(click.Group):
    """A group that loads a command when it is used."""

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
        """Runs the command; wrong usage is one line, as every other error."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise Failure(error.format_message()) from error

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
