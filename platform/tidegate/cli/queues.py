"""`tidegate queues`: how the queues stand, and what is said to them by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import QUEUE, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_record, show_table
from tidegate.cli.wording import count, moment, span
from tidegate.errors import Refused, UsageError
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.introspection import QueueView

__all__ = ["is_interactive", "queues"]

COLUMNS: Final = (
    Column("QUEUE"),
    Column("STATE"),
    Column("READY", right=True),
    Column("GATED", right=True),
    Column("OLDEST", right=True),
    Column("SCHEDULED", right=True),
    Column("RUNNING", right=True),
    Column("DEAD", right=True),
    Column("CONSUMERS", right=True),
    Column("NODES", right=True),
)

GATED: Final = 3
"""The place of the column that is shown where a circuit holds something back: without it the table fits 80 columns."""


@click.group(cls=Group)
def queues() -> None:
    """List, show, explain, pause, resume and purge queues."""


@queues.command("list")
@limit_option
@json_option
@click.pass_obj
def list_queues(scope: Scope, limit: int, as_json: bool) -> None:
    """List the queues over the whole fleet, the declared ones first."""
    with scope.inspector() as inspector:
        found = inspector.queues()[:limit]
    if as_json:
        emit_json([queue.as_json() for queue in found])
    else:
        hidden = set() if any(view.gated for view in found) else {GATED}
        columns = [column for place, column in enumerate(COLUMNS) if place not in hidden]
        rows = ([cell for place, cell in enumerate(_row(view)) if place not in hidden] for view in found)
        show_table(columns, rows, empty="no queues are declared, and the database has none")


@queues.command("show")
@click.argument("queue", type=QUEUE)
@json_option
@click.pass_obj
def show_queue(scope: Scope, queue: str, as_json: bool) -> None:
    """Show one queue over the whole fleet."""
    with scope.inspector() as inspector:
        found = inspector.queue(queue)
    if as_json:
        emit_json(found.as_json())
    else:
        show_record(_fields(found))


@queues.command("explain")
@click.argument("queue", type=QUEUE)
@json_option
@click.pass_obj
def explain_queue(scope: Scope, queue: str, as_json: bool) -> None:
    """Tell every reason why a queue does not move, and what changes it."""
    from tidegate.cli.reasons import show_reasons  # noqa: PLC0415 - only when asked

    with scope.inspector() as inspector:
        reasons = inspector.explain_queue(queue)
    if as_json:
        emit_json({"queue": queue, "reasons": [why.as_json() for why in reasons]})
        return
    click.echo(f"queue {queue}:")
    show_reasons(reasons)


@queues.command("pause")
@click.argument("names", metavar="QUEUE...", type=QUEUE, nargs=-1, required=True)
@json_option
@click.pass_obj
def pause(scope: Scope, names: Sequence[str], as_json: bool) -> None:
    """Pause queues on every node: what runs goes on, nothing new is started."""
    _control(scope, names, as_json=as_json, paused=True)


@queues.command("resume")
@click.argument("names", metavar="QUEUE...", type=QUEUE, nargs=-1, required=True)
@json_option
@click.pass_obj
def resume(scope: Scope, names: Sequence[str], as_json: bool) -> None:
    """Resume paused queues on every node."""
    _control(scope, names, as_json=as_json, paused=False)


@queues.command("purge")
@click.argument("queue", type=QUEUE)
@click.option("--yes", is_flag=True, help="Do it without asking.")
@json_option
@click.pass_obj
def purge(scope: Scope, queue: str, yes: bool, as_json: bool) -> None:
    """Cancel everything that waits in a queue, ready and scheduled; running jobs go on."""
    from tidegate.cli.partitions import with_room  # noqa: PLC0415 - psycopg costs what `--help` should not pay
    from tidegate.introspection import Operator  # noqa: PLC0415 - likewise

    if not yes and not is_interactive():
        raise UsageError(
            f"purging {queue} cancels every job that waits in it", hint=f"to do it: tidegate queues purge {queue} --yes"
        )
    with scope.connection() as connection:
        waiting = scope.inspector_of(connection).queue(queue)
        if not yes:
            _confirm(waiting)
        ended = with_room(connection, lambda: Operator(connection).purge(queue, on_progress=_progress))
    if as_json:
        emit_json({"queue": queue, "purged": ended})
    else:
        say(f"{noun(ended, 'job')} of queue {queue} cancelled")


def is_interactive() -> bool:
    """Tell whether somebody can be asked."""
    return sys.stdin.isatty()


def _control(scope: Scope, names: Sequence[str], *, as_json: bool, paused: bool) -> None:
    from tidegate.introspection import Operator  # noqa: PLC0415 - likewise

    names = list(dict.fromkeys(names))
    with scope.connection() as connection:
        inspector = scope.inspector_of(connection)
        for name in names:
            inspector.queue(name)  # all or none: an unknown name stops it before anything was changed
        for name in names:
            Operator(connection).pause(name, paused=paused)
        views = [inspector.queue(name) for name in names]
    if as_json:
        emit_json([view.as_json() for view in views])
        return
    for view in views:
        waits = f"{noun(view.ready, 'job')} ready, {noun(view.running, 'job')} running"
        say(f"queue {view.queue} is {'paused' if view.paused else 'resumed'}: {waits}")
    if paused:
        say(f"\nundo: tidegate queues resume {' '.join(names)}")


def _confirm(waiting: QueueView) -> None:
    jobs = noun(waiting.ready + waiting.scheduled, "job")
    said = click.prompt(f"{jobs} of queue {waiting.queue} will be cancelled. Type the queue's name to go on", err=True, default="")
    if said != waiting.queue:
        raise Refused("nothing was purged", hint="the name of the queue was not typed")


def _progress(ended: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{ended:,} cancelled", err=True, nl=False)


def _row(view: QueueView) -> Sequence[str]:
    pool = view.consumers
    return (
        view.queue,
        _state(view),
        count(view.ready),
        count(view.gated),
        span(view.oldest_ready_age),
        count(view.scheduled),
        count(view.running),
        count(view.dead),
        f"{pool.busy}/{pool.alive} of {pool.min}-{pool.max}" + ("" if view.scale is None else f", scaled to {view.scale}"),
        count(view.nodes),
    )


def _fields(view: QueueView) -> Iterator[tuple[str, str]]:
    pool = view.consumers
    yield "queue", view.queue
    yield "state", _state(view)
    yield "ready", f"{count(view.ready)}" + (f", the oldest for {span(view.oldest_ready_age)}" if view.ready else "")
    yield "gated", count(view.gated)
    yield "scheduled", count(view.scheduled)
    yield "running", count(view.running)
    yield "dead", count(view.dead)
    yield "consumers", f"{pool.busy} busy of {pool.alive}; {pool.target} wanted, between {pool.min} and {pool.max}"
    if view.scale is not None:
        until = "" if view.scale_until is None else f", until {moment(view.scale_until)}"
        yield "scaled", f"to {noun(view.scale, 'consumer')} by hand{until}; undo: tidegate scale {view.queue} auto"
    yield "nodes", count(view.nodes)


def _state(view: QueueView) -> str:
    if view.broken:
        return "broken"
    if view.paused:
        return "paused"
    return "running" if view.nodes else "not served"
