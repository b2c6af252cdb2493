"""`tidegate circuits`: how the fleet's circuits stand, and what is said to them by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import CIRCUIT, SECONDS, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_record, show_table
from tidegate.cli.wording import NOTHING, count, moment, span
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.introspection import CircuitEvent, Circuits, CircuitView

__all__ = ["circuits"]

F = TypeVar("F", bound=Callable[..., Any])

COLUMNS: Final = (
    Column("CIRCUIT", cut=True),
    Column("STATE"),
    Column("CALLS", right=True),
    Column("FAILED", right=True),
    Column("SLOW", right=True),
    Column("TRIPS", right=True),
    Column("UNTIL"),
    Column("GATED", right=True),
    Column("WHY", cut=True),
)
PAST: Final = (
    Column("AT"),
    Column("FROM"),
    Column("TO"),
    Column("WHY", cut=True),
    Column("CALLS", right=True),
    Column("FAILED", right=True),
    Column("SLOW", right=True),
    Column("BY", cut=True),
    Column("EVIDENCE", cut=True),
)


@click.group(cls=Group)
def circuits() -> None:
    """List and show circuits, and open, close, half-open or reset them by hand."""


@circuits.command("list")
@limit_option
@json_option
@click.pass_obj
def list_circuits(scope: Scope, limit: int, as_json: bool) -> None:
    """List the circuits of the fleet: those that hold jobs back first."""
    with _circuits(scope) as found:
        views = sorted(found.all(), key=lambda view: (not view.gates, view.state == "closed", view.circuit))[:limit]
    if as_json:
        emit_json([view.as_json() for view in views])
    else:
        show_table(COLUMNS, map(_row, views), empty="no kind of job has a circuit")


@circuits.command("show")
@click.argument("name", type=CIRCUIT)
@json_option
@click.pass_obj
def show_circuit(scope: Scope, name: str, as_json: bool) -> None:
    """Show one circuit: why it is as it is, when it tries again, what waits behind it, and what each command would do now."""
    with _circuits(scope) as found:
        view = found.show(name)
        past = found.history(name, limit=20)
    trip = next((event for event in past if event.to_state == "open"), None)
    if as_json:
        evidence = None if trip is None else {"top_errors": list(trip.top_errors), "sample_job_ids": list(trip.sample_job_ids)}
        emit_json(
            {
                **view.as_json(),
                "why": view.why,
                "next": view.next,
                "evidence": evidence,
                "config": dict(view.config),
                "commands": view.prospects(),
            }
        )
        return
    show_record(_fields(view, trip))
    click.echo("\nwhat each command would do now:")
    for word, words in view.prospects().items():
        click.echo(f"  tidegate circuits {word} {view.circuit}\n      {words}")


@circuits.command("history")
@click.argument("name", type=CIRCUIT)
@limit_option
@json_option
@click.pass_obj
def history(scope: Scope, name: str, limit: int, as_json: bool) -> None:
    """Show what a circuit went through, the newest first, each with its evidence."""
    with _circuits(scope) as found:
        past = found.history(name, limit=limit)
    if as_json:
        emit_json([event.as_json() for event in past])
    else:
        show_table(PAST, map(_past, past), empty=f"circuit {name} has never moved")


def _by_hand(command: F) -> F:
    """Add what all commands take that move a circuit."""
    for option in (
        json_option,
        click.option("--actor", metavar="NAME", help="Who does it; user@host unless given."),
        click.option("--reason", metavar="TEXT", help="Why, for whoever reads the history."),
        click.argument("name", type=CIRCUIT),
    ):
        command = option(command)
    return command


_for = click.option("--for", "seconds", type=SECONDS, metavar="DURATION", help="For so long (2h, 30m); else until it is undone.")


@circuits.command("open")
@_by_hand
@_for
@click.pass_obj
def open_circuit(scope: Scope, name: str, reason: str | None, actor: str | None, seconds: float | None, as_json: bool) -> None:
    """Hold all jobs of a circuit back, on every node: what runs goes on, nothing of it is started, no attempt is charged."""
    with _circuits(scope, actor) as found:
        _told(found.open(name, reason=reason, seconds=seconds), as_json=as_json, undo="reset")


@circuits.command("close")
@_by_hand
@_for
@click.pass_obj
def close_circuit(scope: Scope, name: str, reason: str | None, actor: str | None, seconds: float | None, as_json: bool) -> None:
    """Let jobs of a circuit run, whatever comes of them: failures are counted and do not open it."""
    with _circuits(scope, actor) as found:
        _told(found.close(name, reason=reason, seconds=seconds), as_json=as_json, undo="reset")


@circuits.command("half-open")
@_by_hand
@click.pass_obj
def half_open_circuit(scope: Scope, name: str, reason: str | None, actor: str | None, as_json: bool) -> None:
    """Let the probes of a circuit through now; what comes of them decides."""
    with _circuits(scope, actor) as found:
        _told(found.half_open(name, reason=reason), as_json=as_json, undo=None)


@circuits.command("reset")
@_by_hand
@click.pass_obj
def reset_circuit(scope: Scope, name: str, reason: str | None, actor: str | None, as_json: bool) -> None:
    """Close a circuit with an empty window and no trips; from here on it decides for itself."""
    with _circuits(scope, actor) as found:
        _told(found.reset(name, reason=reason), as_json=as_json, undo=None)


@contextmanager
def _circuits(scope: Scope, actor: str | None = None) -> Iterator[Circuits]:
    from tidegate.introspection import Circuits  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        yield Circuits(connection, plan=scope.circuit_plan, actor=actor)


def _told(view: CircuitView, *, as_json: bool, undo: str | None) -> None:
    if as_json:
        emit_json(view.as_json())
        return
    waiting = f"; {noun(view.gated_jobs, 'job')} behind it" if view.gated_jobs else ""
    say(f"circuit {view.circuit} is {_state(view)}: {view.next}{waiting}")
    if undo is not None:
        say(f"\nundo: tidegate circuits {undo} {view.circuit}")


def _row(view: CircuitView) -> Sequence[str]:
    return (
        view.circuit,
        _state(view),
        count(view.calls),
        f"{view.failure_rate:g}%",
        f"{view.slow_rate:g}%",
        count(view.trips),
        NOTHING if view.left is None else f"in {span(view.left)}",
        count(view.gated_jobs),
        view.why if view.gen else NOTHING,
    )


def _fields(view: CircuitView, trip: CircuitEvent | None) -> Iterator[tuple[str, str]]:
    yield "circuit", view.circuit
    yield "state", _state(view) + (f" since {moment(view.changed_at)}" if view.gen else "")
    yield "why", view.why
    yield "next", view.next
    if view.until is not None:
        yield "until", moment(view.until)
    yield "gated jobs", count(view.gated_jobs) + (f", the oldest due for {span(view.oldest_gated_age)}" if view.gated_jobs else "")
    yield "window", f"{noun(view.calls, 'call')}, {view.failure_rate:g}% failed, {view.slow_rate:g}% slow"
    yield "trips", count(view.trips)
    yield "probes", f"{view.allowed} allowed, {view.needed} needed; {view.out} out, {view.ok} ok, {view.failed} failed"
    yield "kinds", "\n".join(view.kinds) or NOTHING
    if trip is not None:
        yield f"errors when it opened ({moment(trip.at)})", "\n".join(_errors(trip)) or NOTHING
        yield "jobs that failed then", ", ".join(map(str, trip.sample_job_ids)) or NOTHING


def _past(event: CircuitEvent) -> Sequence[str]:
    return (
        moment(event.at),
        event.from_state,
        event.to_state,
        event.reason + (f" ({event.note})" if event.note else ""),
        count(event.calls),
        count(event.failures),
        count(event.slow),
        event.actor or event.node or NOTHING,
        "; ".join(_errors(event)) or NOTHING,
    )


def _errors(event: CircuitEvent) -> Iterator[str]:
    for error in event.top_errors:
        yield f"{error.get('count')}x {error.get('type')}: {error.get('message')}"


def _state(view: CircuitView) -> str:
    words = view.state.replace("_", " ")
    return f"{words} (observing)" if view.observe and view.state != "closed" else words
