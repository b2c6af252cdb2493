"""Commands and groups as all of ours are: they take --config, --database and --debug, name what was meant, and load late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import click

from tidegate.cli.scope import Scope
from tidegate.errors import UsageError, nearest

__all__ = ["Command", "Group", "LazyGroup", "Target"]


class Command(click.Command):
    """A command that takes the shared options, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a complaint knows which command it is about."""
        with _about(ctx):
            return super().parse_args(ctx, args)


class Group(click.Group):
    """A group whose commands are `Command`s; it shows its help where no command is given.

    `later` has commands that are promised and do not exist yet, each with what it belongs to.
    """

    command_class: type[click.Command] | None = Command

    def __init__(self, *args: Any, later: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)
        self.params += _shared_options()
        self.later = dict(later or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they were said: the most important first."""
        del ctx
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where nothing is asked for."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(0)
        with _about(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant; where there is none, say which it could have been."""
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        prefix = " ".join(ctx.command_path.split(" ")[1:])
        word = f"{prefix} {name}".strip()
        if name in self.later:
            raise UsageError(f"`{word}` does not exist in this version ({self.later[name]})", hint=self._known(ctx))
        close = nearest(name, self.list_commands(ctx))
        did_you_mean = f"; did you mean `{f'{prefix} {close[0]}'.strip()}`?" if close else ""
        raise UsageError(f"there is no command `{word}`{did_you_mean}", hint=self._known(ctx))

    def _known(self, ctx: click.Context) -> str:
        return f"commands of `{ctx.command_path}`: {', '.join(self.list_commands(ctx))}"


class Target(NamedTuple):
    """Where a command is found, as `module:name`, and the line that the list of commands has for it."""

    place: str
    line: str


class LazyGroup(Group):
    """A group that imports the module of a command when the command is asked for; its list is written from `targets` alone."""

    def __init__(self, *args: Any, targets: Mapping[str, Target], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.targets = dict(targets)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, the most important first."""
        del ctx
        return list(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        target = self.targets.get(cmd_name)
        if target is None:
            return None
        module, name = target.place.split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, target.line) for name, target in self.targets.items()])


@contextmanager
def _about(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.ctx = error.ctx or ctx  # click's parser leaves it out in places
        raise


def _shared_options() -> Sequence[click.Parameter]:
    return [
        click.Option(
            ["--config"],
            metavar="PATH",
            type=click.Path(),
            expose_value=False,
            callback=_remember,
            help="The file instead of queues.yaml.",
        ),
        click.Option(
            ["--database"],
            metavar="URL",
            expose_value=False,
            callback=_remember,
            help="The database instead of what the file names.",
        ),
        click.Option(["--debug"], is_flag=True, expose_value=False, callback=_remember, help="Show the traceback of an error."),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a shared option, wherever on the line it stands; the one nearest to the end counts."""
    scope = ctx.ensure_object(Scope)
    if value == "":
        raise click.BadParameter("it is empty; is a variable of the shell not set?", ctx, param)
    if value and param.name is not None:
        setattr(scope, param.name, value)
