"""The types of options and arguments: each says in one sentence what it expected."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tidegate.cli.completing import circuits_here, kinds_here, queues_here

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # generic since click 8.5 only

__all__ = [
    "CIRCUIT",
    "JOB_ID",
    "KIND",
    "LOOPBACK",
    "NAMED",
    "PORT",
    "PRIORITY",
    "QUEUE",
    "QUEUE_NAMES",
    "RATE",
    "SECONDS",
    "TEXT",
    "TIME",
    "Number",
    "json_option",
    "limit_option",
]

F = TypeVar("F", bound=Callable[..., Any])

LARGEST_ID: Final = 2**63 - 1
HIGHEST_RATE: Final = 1_000_000.0
_ID_FORM: Final = re.compile(r"[0-9]{1,19}")


class Number(_Type):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int, meaning: str) -> None:
        self.least = least
        self.most = most
        self.meaning = meaning

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number = int(str(value))
        except ValueError:
            number = self.least - 1
        if not self.least <= number <= self.most or "_" in str(value):
            self.fail(f"{self.meaning} is a whole number from {self.least:,} to {self.most:,}; got {str(value)!r}", param, ctx)
        return number


class _Rate(_Type):
    """So many a second, also fewer than one."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= HIGHEST_RATE:
            self.fail(f"a rate is a number a second above 0, such as 50 or 0.5; got {str(value)!r}", param, ctx)
        return rate


class _JobId(_Type):
    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not _ID_FORM.fullmatch(str(value)) or not 1 <= int(value) <= LARGEST_ID:
            self.fail(f"{str(value)!r} is not the id of a job, which is a number such as 42", param, ctx)
        return int(value)


class _Seconds(_Type):
    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        from tidegate.settings import parse_duration  # noqa: PLC0415 - pydantic costs what `--help` should not pay

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Time(_Type):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"expected a time such as 2030-12-24T18:00Z or 2030-12-24T18:00+01:00; got {value!r}", param, ctx)
        if at.utcoffset() is None:
            self.fail(f"{value!r} has no time zone; write {value}Z for UTC, or its offset such as +01:00", param, ctx)
        return at


class _Text(_Type):
    """A text given on the line; as `-`, what standard input has; as `@FILE`, what a file has."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "-":
            return sys.stdin.read()
        if not value.startswith("@"):
            return str(value)
        try:
            return Path(value[1:]).read_text("utf-8")
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}", param, ctx)
        except UnicodeDecodeError:
            self.fail(f"{value[1:]} is not UTF-8 text", param, ctx)


class _Named(_Type):
    """Something that is named. The empty name is no name: `"$GROUP"` of a shell that has none would mean whatever there is."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name."""
        if not str(value).strip():
            self.fail("it is empty, which would mean anything; is a variable of the shell not set?", param, ctx)
        return value


class _Completed(_Named):
    name = "name"

    def __init__(self, known: Callable[[click.Context], list[str]]) -> None:
        self._known = known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin as what is written; after a comma, those that go on a list."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

        del param
        done, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{done}{comma}{name}") for name in self._known(ctx) if name.startswith(begun)]


class _Names(_Completed):
    """Names of queues, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names, each once."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        if not names:
            self.fail("expected names of queues such as email,ml", param, ctx)
        return names


JOB_ID: Final = _JobId()
NAMED: Final = _Named()
RATE: Final = _Rate()
SECONDS: Final = _Seconds()
TIME: Final = _Time()
TEXT: Final = _Text()
QUEUE: Final = _Completed(queues_here)
QUEUE_NAMES: Final = _Names(queues_here)
KIND: Final = _Completed(kinds_here)
CIRCUIT: Final = _Completed(circuits_here)
PRIORITY: Final = Number(-100, 100, "a priority")
LOOPBACK: Final = "127.0.0.1"
PORT: Final = Number(0, 65_535, "a port")


def json_option(command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")(command)


def limit_option(command: F) -> F:
    """Add --limit."""
    return click.option(
        "--limit", type=Number(1, 100_000, "a limit"), default=20, show_default=True, metavar="N", help="At most so many rows."
    )(command)
