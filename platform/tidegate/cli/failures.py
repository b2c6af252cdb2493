"""How a command ends: every error as `error: ...`, a blank line, `hint: ...` on standard error, and its exit code.

0 done   1 failed   2 usage or configuration   3 not found   4 refused   5 unhealthy: also a node whose event loop a job blocked
for good   6 database unreachable   7 migration needed   124 waited long enough   130, 143 ended by a signal
"""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType

import click

from tidegate.cli.output import say
from tidegate.cli.reaching import unreachable
from tidegate.cli.scope import Scope
from tidegate.cli.streams import drop_stdout
from tidegate.errors import DatabaseUnreachable, TidegateError, UsageError, nearest

__all__ = ["INTERRUPTED", "excepthook", "exit_code_of", "tell", "translated"]

INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def exit_code_of(run: Callable[[], object], scope: Scope) -> int:
    """Run a command and return its exit code, having told what went wrong; what nobody expected goes to `excepthook`."""
    try:
        run()
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return _flushed(ended.exit_code, scope)
    except (KeyboardInterrupt, click.Abort):
        say("\ninterrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        return _unwritten(error, scope)
    except click.ClickException as error:
        return tell(translated(error), scope)
    except TidegateError as error:
        return tell(error, scope)
    return 0


def tell(error: TidegateError, scope: Scope) -> int:
    """Write an error and return its exit code."""
    error = _cause(error)
    if isinstance(error, DatabaseUnreachable):
        error = unreachable(error, scope.shown_database)
    if scope.debug:
        say("".join(traceback.format_exception(error)).rstrip())
    say(f"error: {_with_options(str(error))}")
    if error.hint:
        say(f"\nhint: {error.hint}")
    return error.exit_code


def translated(error: click.ClickException) -> TidegateError:
    """Return click's complaint in our words."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx is not None else "tidegate"
    hint = f"`{path} --help` shows how it is used"
    match error:
        case click.NoSuchOption(option_name=name):
            close = nearest(name.lstrip("-"), [option.lstrip("-") for option in _options(ctx) if option.startswith("--")])
            arguments = "; arguments of the job are written NAME=VALUE" if path.endswith(" enqueue") else ""
            return UsageError(
                f"there is no option {name}{f'; did you mean --{close[0]}?' if close else ''}",
                hint=f"`{path} --help` lists the options{arguments}",
            )
        case click.BadOptionUsage(option_name=name):
            needs = "takes no value" if "not take" in error.message else "needs a value"
            return UsageError(f"{name} {needs}", hint=hint)
        case click.MissingParameter(param=click.Argument() as param) if ctx is not None:
            return UsageError(f"{param.make_metavar(ctx)} is missing", hint=_usage(ctx))
        case click.MissingParameter(param=click.Option() as param):
            return UsageError(f"{param.opts[-1]} is missing", hint=hint)
        case click.BadParameter(param=click.Option() as param):
            return UsageError(f"{param.opts[-1]}: {_plain(error.message)}", hint=hint)
        case click.BadParameter(param=click.Argument() as param) if ctx is not None:
            return UsageError(f"{_plain(error.message)}", hint=_usage(ctx))
        case _:
            return UsageError(_plain(error.format_message()), hint=hint)


def excepthook(scope: Scope) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Return what tells an error that nobody expected: one sentence, or the traceback where --debug asks for it."""

    def hook(cls: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if scope.debug or issubclass(cls, KeyboardInterrupt):
            sys.__excepthook__(cls, error, trace)
            return
        cause = getattr(error, "orig", None) or error  # what SQLAlchemy wraps
        said = (str(cause).strip() or "without a word").splitlines()[0]
        if type(cause).__module__.startswith("psycopg"):
            say(f"error: the database refuses: {said}")
            needs = "`tidegate db roles` prints what a role needs; " if type(cause).__name__ == "InsufficientPrivilege" else ""
            say(f"\nhint: {needs}with --debug the traceback goes to standard error")
        else:
            say(f"error: this should not have happened: {cls.__name__}: {said}")
            say("\nhint: with --debug the traceback goes to standard error; a report of it is welcome")

    return hook


def _with_options(sentence: str) -> str:
    """Name a setting that came as an option of the line as that option, which is how it was typed."""
    return re.sub("^argument: ([a-z_]+)", lambda match: f"--{match[1].replace('_', '-')}", sentence, flags=re.MULTILINE)


def _cause(error: TidegateError) -> TidegateError:
    """Return what a supervisor only passes on: that a child failed to start says less than why."""
    while isinstance(inner := getattr(getattr(error, "reason", None), "error", None), TidegateError):
        error = inner
    return error


def _options(ctx: click.Context | None) -> Sequence[str]:
    return [] if ctx is None else [name for param in ctx.command.get_params(ctx) for name in param.opts]


def _usage(ctx: click.Context) -> str:
    return " ".join(ctx.get_usage().removeprefix("Usage:").split())


def _plain(sentence: str) -> str:
    """Return click's sentence without its capital and its full stop, in our tone."""
    sentence = sentence.removesuffix(".")
    return sentence[:1].lower() + sentence[1:]


def _flushed(code: int, scope: Scope) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _nobody_reads()
    except OSError as error:
        return _unwritten(error, scope)
    return code


def _nobody_reads() -> int:
    """Whoever read us has had enough (`| head`): that is no failure."""
    drop_stdout()
    return 0


def _unwritten(error: OSError, scope: Scope) -> int:
    """What was to be read by somebody is not written whole, and nobody must take it for that."""
    drop_stdout()
    why = TidegateError(f"standard output cannot be written to: {error.strerror}", hint="is the disk full that it leads to?")
    why.__cause__ = error
    return tell(why, scope)
