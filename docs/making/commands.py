"""docs/reference/cli.md, made from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

import click

from making.words import code, table
from tidegate.cli.help import EXIT_CODES
from tidegate.cli.program import LATER, program

SHARED: Final = ("config", "database", "debug")
HEAD: Final = """\
# The command line

Made from the commands by `make schema`; a test holds it current.

Data goes to standard output, words to standard error. Every command that reads takes `--json` and then prints one JSON value.
Errors are `error: ...`, a blank line, `hint: ...`. `tidegate completion bash` (zsh, fish) prints a script that completes commands,
options, queues and kinds. Colour is left out where `NO_COLOR` is set or nobody sees it.

Wherever on the line they stand, all commands take:

"""


def page() -> str:
    """Return the page as Markdown."""
    root = click.Context(program, info_name="tidegate")
    shared = [param for param in program.params if param.name in SHARED]
    codes = table(("code", "meaning"), ((code(str(number)), meaning) for number, meaning in EXIT_CODES.items()))
    later = table(("command", "belongs to"), _later(root))
    parts = [HEAD, _options(root, shared), "\n## Exit codes\n\n", codes, *_commands(root)]
    if later:
        parts += ["\n## Promised, and refused until they exist\n\n", later]
    return "".join(parts)


def _commands(ctx: click.Context) -> Iterator[str]:
    for _, inner in _below(ctx):
        if isinstance(inner.command, click.Group):
            yield f"\n## {inner.command_path}\n\n{_help(inner.command)}\n"
            yield from _commands(inner)
        else:
            level = "##" if ctx.command is program else "###"
            yield f"\n{level} {inner.command_path}\n\n{_help(inner.command)}\n\n```text\n{_usage(inner)}\n```\n"
            own = [param for param in inner.command.params if isinstance(param, click.Option) and param.name not in SHARED]
            if options := _options(inner, own):
                yield f"\n{options}"


def _below(ctx: click.Context) -> Iterator[tuple[str, click.Context]]:
    group = ctx.command
    if isinstance(group, click.Group):
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if command is not None and not command.hidden:
                yield name, click.Context(command, info_name=name, parent=ctx)


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _usage(ctx: click.Context) -> str:
    return " ".join(ctx.get_usage().removeprefix("Usage:").split())


def _options(ctx: click.Context, params: list[Any]) -> str:
    return table(("option", "default", "meaning"), (_option(ctx, param) for param in params if not param.hidden))


def _option(ctx: click.Context, param: click.Option) -> tuple[str, str, str]:
    value = "" if param.is_flag else f" {param.make_metavar(ctx)}"
    spelled = ", ".join(code(f"{name}{value}") for name in (*param.opts, *param.secondary_opts))
    default = param.get_default(ctx)
    shown = default is not None and not param.is_flag and not callable(default) and not isinstance(default, tuple)
    several = " (may be given several times)" if param.multiple and "several" not in (param.help or "") else ""
    return spelled, code(str(default)) if shown and "UNSET" not in str(default) else "", (param.help or "") + several


def _later(root: click.Context) -> Iterator[tuple[str, str]]:
    yield from ((code(f"tidegate {name}"), what) for name, what in LATER.items())
    yield from ((code(name), what) for name, what in promised(root))


def promised(root: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the verbs of existing groups that do not exist yet, each with what it belongs to."""
    for name, ctx in _below(root):
        yield from ((f"tidegate {name} {verb}", what) for verb, what in getattr(ctx.command, "later", {}).items())
