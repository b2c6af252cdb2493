"""`tidegate errors`: groups of failures, dying or not, and what is said about them by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.letter_filter import actor_options
from tidegate.cli.output import emit_json, neutral, say
from tidegate.cli.params import KIND, NAMED, QUEUE, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_record, show_table
from tidegate.cli.wording import count, moment
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.dead_letters import ErrorGroup

__all__ = ["errors"]

COLUMNS: Final = (
    Column("ERROR"),
    Column("STATE"),
    Column("COUNT", right=True),
    Column("24 H", right=True),
    Column("DEAD", right=True),
    Column("FIRST"),
    Column("LAST"),
    Column("KINDS", cut=True),
    Column("WHAT", cut=True),
)
STATUSES: Final = ("open", "resolved", "muted")


@click.group(cls=Group)
def errors() -> None:
    """List, show, resolve and mute groups of errors.

    A group is failures that look alike, of every attempt that failed. One that was resolved and is seen again on a newer version of
    the application is `regressed`.
    """


@errors.command("list")
@click.option("--kind", "kinds", type=KIND, multiple=True, help="Of this kind; may be given several times.")
@click.option("--queue", "queues", type=QUEUE, multiple=True, help="Of this queue; may be given several times.")
@click.option("--text", type=NAMED, metavar="TEXT", help="With this in the class, the message or the place.")
@click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, help="Open ones unless said.")
@click.option("--all", "everything", is_flag=True, help="Resolved and muted ones, too.")
@limit_option
@json_option
@click.pass_obj
def list_errors(
    scope: Scope,
    kinds: Sequence[str],
    queues: Sequence[str],
    text: str | None,
    statuses: Sequence[str],
    everything: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List groups of failures, those seen last first."""
    with scope.connection() as connection:
        wanted = () if everything else statuses or ("open",)
        found = scope.errors_of(connection).list(statuses=wanted, kinds=kinds, queues=queues, text=text, limit=limit)
    if as_json:
        emit_json([group.as_json() for group in found])
    else:
        show_table(COLUMNS, map(_row, found), empty="no errors")


@errors.command("show")
@click.argument("fingerprint", type=NAMED)
@json_option
@click.pass_obj
def show_error(scope: Scope, fingerprint: str, as_json: bool) -> None:
    """Show one group of failures; the beginning of its fingerprint is enough."""
    with scope.connection() as connection:
        found = scope.errors_of(connection).show(fingerprint)
    if as_json:
        emit_json(found.as_json())
        return
    show_record(_fields(found))
    if found.hours:
        click.echo("by hour:")
        most = max(each["count"] for each in found.hours)
        for each in found.hours[-48:]:
            click.echo(neutral(f"  {each['hour'][:16]}Z  {each['count']:>8,}  {'█' * max(round(each['count'] / most * 30), 1)}"))


@errors.command("resolve")
@click.argument("fingerprints", metavar="FINGERPRINT...", type=NAMED, nargs=-1, required=True)
@actor_options
@json_option
@click.pass_obj
def resolve(scope: Scope, fingerprints: Sequence[str], why: str | None, actor: str | None, as_json: bool) -> None:
    """Say that errors are mended.

    Seen again on a version of the application that had not shown it, an error is open again, and `regressed`.
    """
    with scope.connection() as connection:
        _told(scope.errors_of(connection, actor).resolve(fingerprints, why=why), "resolved", as_json=as_json)


@errors.command("mute")
@click.argument("fingerprints", metavar="FINGERPRINT...", type=NAMED, nargs=-1, required=True)
@actor_options
@json_option
@click.pass_obj
def mute(scope: Scope, fingerprints: Sequence[str], why: str | None, actor: str | None, as_json: bool) -> None:
    """Say that nobody wants to hear of errors: they are counted, not listed, and no notification is sent for them."""
    with scope.connection() as connection:
        _told(scope.errors_of(connection, actor).mute(fingerprints, why=why), "muted", as_json=as_json)


@errors.command("reopen")
@click.argument("fingerprints", metavar="FINGERPRINT...", type=NAMED, nargs=-1, required=True)
@actor_options
@json_option
@click.pass_obj
def reopen(scope: Scope, fingerprints: Sequence[str], why: str | None, actor: str | None, as_json: bool) -> None:
    """Take back that errors were resolved or muted."""
    with scope.connection() as connection:
        _told(scope.errors_of(connection, actor).reopen(fingerprints, why=why), "open", as_json=as_json)


def _told(fingerprints: Sequence[str], status: str, *, as_json: bool) -> None:
    if as_json:
        emit_json([{"fingerprint": fingerprint, "status": status} for fingerprint in fingerprints])
    else:
        say(f"{noun(len(fingerprints), 'error')} {status}: {', '.join(fingerprints)}")


def _row(group: ErrorGroup) -> Sequence[str]:
    return (
        group.fingerprint,
        group.mark,
        count(group.count),
        count(group.last_day),
        count(group.deaths),
        moment(group.first_seen),
        moment(group.last_seen),
        ", ".join(group.kinds),
        f"{group.type}: {group.message}".splitlines()[0],
    )


def _fields(group: ErrorGroup) -> Iterator[tuple[str, str]]:
    by = f", by {group.changed_by}, {moment(group.changed_at)}" if group.changed_by else ""
    why = f": {group.changed_why}" if group.changed_why else ""
    yield "error", group.fingerprint
    yield "state", f"{group.mark}{by if group.status != 'open' else ''}{why if group.status != 'open' else ''}"
    if group.regressed:
        yield "came back", moment(group.regressed_at)
    yield "what", f"{group.type}: {group.message}"
    yield "told by", group.grounds
    yield "count", f"{count(group.count)}, {count(group.last_day)} of them within 24 hours; {noun(group.deaths, 'death')}"
    yield "letters", f"{noun(group.letters or 0, 'open dead letter')}: tidegate dlq list --group {group.fingerprint}"
    yield "first", moment(group.first_seen)
    yield "last", moment(group.last_seen)
    yield "kinds", ", ".join(group.kinds)
    yield "queues", ", ".join(group.queues)
    yield "nodes", ", ".join(group.nodes)
    yield "versions", ", ".join(group.versions) or "not known: say app_version in queues.yaml"
    yield "jobs", " ".join(map(str, group.jobs))
