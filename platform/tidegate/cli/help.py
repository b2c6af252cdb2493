"""`tidegate help`: the help of a command, or of a topic that no single command owns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from tidegate.cli.lazy import Command
from tidegate.errors import UsageError

__all__ = ["EXIT_CODES", "TOPICS", "help_command"]

EXIT_CODES: Final = {
    0: "done",
    1: "failed: the job that was waited for did not complete, a port is taken, the node gave up",
    2: "usage or configuration: the command line, queues.yaml, the environment or a jobs module says what cannot hold",
    3: "not found: no such job, queue or file",
    4: "refused: the present state forbids it",
    5: "unhealthy: something that should run does not",
    6: "database unreachable",
    7: "migration needed: `tidegate db migrate`",
    124: "waited as long as --timeout says",
    130: "ended by Ctrl-C",
    143: "ended by SIGTERM",
}


@click.command("help", cls=Command)
@click.argument("words", metavar="[COMMAND | TOPIC]...", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, words: Sequence[str]) -> None:
    """Show the help of a command, or of a topic.

    The topics: exit-codes.
    """
    root = ctx.find_root()
    if len(words) == 1 and words[0] in TOPICS:
        click.echo(TOPICS[words[0]])
        return
    shown, command = root, root.command
    for word in words:
        found = command.get_command(shown, word) if isinstance(command, click.Group) else None
        if found is None:
            topics = f"topics: {', '.join(TOPICS)}; `tidegate --help` lists the commands"
            raise UsageError(f"there is no help on `{' '.join(words)}`", hint=topics)
        command, shown = found, click.Context(found, info_name=word, parent=shown)
    click.echo(command.get_help(shown))


def _exit_codes() -> str:
    return "\n".join(f"{code:>4}  {meaning}" for code, meaning in EXIT_CODES.items())


TOPICS: Final = {"exit-codes": _exit_codes()}
