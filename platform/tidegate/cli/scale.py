"""`tidegate scale`: how many consumers a queue has, by hand."""

from __future__ import annotations

from typing import Any

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import QUEUE, SECONDS, Number, json_option
from tidegate.cli.scope import Scope
from tidegate.cli.wording import moment
from tidegate.errors import UsageError
from tidegate.plurals import noun

__all__ = ["scale"]

AUTO = "auto"


class _Size(Number):
    """A number of consumers, or `auto`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; None for `auto`."""
        if value == AUTO:
            return AUTO
        try:
            return super().convert(value, param, ctx)
        except click.UsageError:
            self.fail(f"expected a number of consumers from 0 to {self.most:,}, or auto; got {str(value)!r}", param, ctx)


@click.command("scale", cls=Command)
@click.argument("queue", type=QUEUE)
@click.argument("size", metavar="N|auto", type=_Size(0, 1_000_000, "a number of consumers"))
@click.option("--for", "seconds", type=SECONDS, metavar="TIME", help="Automatic again after so long, such as 30m.")
@json_option
@click.pass_obj
def scale(scope: Scope, queue: str, size: int | str, seconds: float | None, as_json: bool) -> None:
    """Fix how many consumers a queue has, or leave it to the autoscaler again.

    N is the sum over all nodes of the fleet; each stays within its own min and max.
    """
    from tidegate.introspection import Operator  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    if size == AUTO and seconds is not None:
        raise UsageError("--for is for a number", hint=f"tidegate scale {queue} auto")
    if seconds is not None and seconds <= 0:
        raise UsageError("--for must be longer than 0 s", hint=f"tidegate scale {queue} {size} --for 30m")
    with scope.connection() as connection:
        inspector = scope.inspector_of(connection)
        inspector.queue(queue)
        until = Operator(connection).scale(queue, None if isinstance(size, str) else size, seconds=seconds)
        view = inspector.queue(queue)
    if as_json:
        emit_json(view.as_json())
        return
    if isinstance(size, str):
        say(f"queue {queue} is scaled automatically")
        return
    pool = view.consumers
    say(f"queue {queue} is to have {noun(size, 'consumer')}" + (f" until {moment(until)}" if until else ""))
    if view.nodes and not pool.min <= size <= pool.max:
        bound = min(max(size, pool.min), pool.max)
        say(f"its {noun(view.nodes, 'node')} allow {pool.min} to {pool.max}: it will have {bound}")
    elif not view.nodes:
        say("no node serves it at present")
    say(f"\nundo: tidegate scale {queue} auto")
