"""`tidegate completion`: what a shell needs to complete our commands, options and names."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from tidegate.cli.lazy import Command
from tidegate.cli.program import COMPLETE_VARIABLE

__all__ = ["SHELLS", "completion"]

SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion", cls=Command, help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script; for bash: `eval "$(tidegate completion bash)"` in ~/.bashrc."""
    cls = get_completion_class(shell)
    if cls is not None:
        click.echo(cls(ctx.find_root().command, {}, "tidegate", COMPLETE_VARIABLE).source())
