"""`tidegate dlq list|show|group|discard|audit`: what died, in which groups, and taking it off the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.letter_filter import Choice, actor_options, filter_options
from tidegate.cli.output import emit_json, neutral, say
from tidegate.cli.params import JOB_ID, json_option, limit_option
from tidegate.cli.queues import is_interactive
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_table
from tidegate.cli.wording import count, moment, value
from tidegate.errors import Refused, UsageError
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.dead_letters import AuditEntry, Group, Letter

__all__ = ["LETTERS", "audit", "discard", "error_line", "group_letters", "letter_row", "list_letters", "show_letter"]

LETTERS: Final = (
    Column("ID", right=True),
    Column("DIED"),
    Column("QUEUE"),
    Column("KIND", cut=True),
    Column("REASON"),
    Column("ATTEMPTS", right=True),
    Column("GROUP"),
    Column("ERROR", cut=True),
)
GROUPS: Final = (
    Column("GROUP"),
    Column("LETTERS", right=True),
    Column("FIRST"),
    Column("LAST"),
    Column("KINDS", cut=True),
    Column("SAMPLES", cut=True),
    Column("ERROR", cut=True),
)
ENTRIES: Final = (Column("AT"), Column("WHO", cut=True), Column("DID"), Column("WHAT", cut=True), Column("WHY", cut=True))


@click.command("list", cls=Command)
@filter_options()
@click.option("--after", type=JOB_ID, metavar="ID", help="Go on after this letter: the older ones.")
@limit_option
@json_option
@click.pass_obj
def list_letters(scope: Scope, /, after: int | None, limit: int, as_json: bool, **said: Any) -> None:
    """List dead letters that were neither retried nor discarded, the newest first."""
    choice = Choice.taken(said)
    with scope.connection() as connection:
        letters = scope.letters_of(connection)
        found = letters.list(choice.wanted(letters), limit=limit, before=after)
    if as_json:
        emit_json([letter.as_json() for letter in found])
        return
    show_table(LETTERS, map(letter_row, found), empty="no dead letters" if choice.empty else "no such dead letters")
    if len(found) == limit:
        say(f"\nolder ones: --after {found[-1].id}; those that look alike: tidegate dlq group")


@click.command("show", cls=Command)
@click.argument("letter_id", metavar="ID", type=JOB_ID)
@json_option
@click.pass_obj
def show_letter(scope: Scope, /, letter_id: int, as_json: bool) -> None:
    """Show one dead letter as an incident report.

    What died, when, where and why, its attempts with their tracebacks, and what else was going on. Secrets are left out.
    """
    from tidegate.cli.incident import report  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        found = scope.letters_of(connection).show(letter_id)
    if as_json:
        emit_json(found.as_json())
        return
    for line in report(found):
        click.echo(neutral(line))


@click.command("group", cls=Command)
@filter_options()
@limit_option
@json_option
@click.pass_obj
def group_letters(scope: Scope, /, limit: int, as_json: bool, **said: Any) -> None:
    """Group dead letters that look alike: the same exceptions at the same places, whatever the data; the largest group first."""
    choice = Choice.taken(said)
    with scope.connection() as connection:
        letters = scope.letters_of(connection)
        found = letters.group(choice.wanted(letters), limit=limit)
    if as_json:
        emit_json([group.as_json() for group in found])
    else:
        show_table(GROUPS, map(_group_row, found), empty="no dead letters" if choice.empty else "no such dead letters")


@click.command("discard", cls=Command)
@click.argument("ids", metavar="[ID]...", type=JOB_ID, nargs=-1)
@filter_options()
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Do it without asking, where a filter chooses them.")
@actor_options
@json_option
@click.pass_obj
def discard(
    scope: Scope, /, ids: Sequence[int], everything: bool, yes: bool, why: str | None, actor: str | None, as_json: bool, **said: Any
) -> None:
    """Take dead letters off the list.

    They can be shown until their retention is over, and not be retried any more.
    """
    choice = Choice.taken(said, ids)
    if choice.empty and not everything:
        raise UsageError(
            "which dead letters? none is named", hint="name ids, or choose by --group, --kind, --queue, ...; --all takes all"
        )
    with scope.connection() as connection:
        letters = scope.letters_of(connection, actor)
        letters.check_open(ids)
        wanted = choice.wanted(letters)
        matching = letters.count(wanted)
        if not ids and matching and not yes:
            _confirm(matching)
        gone = letters.discard(wanted, why=why)
    if as_json:
        emit_json({"discarded": gone})
    else:
        say(f"{noun(gone, 'dead letter')} discarded")
    if ids and gone < len(set(ids)):
        raise Refused(f"{len(set(ids)) - gone} of these are being changed by somebody else, or do not match", hint="try again")


@click.command("audit", cls=Command)
@limit_option
@json_option
@click.pass_obj
def audit(scope: Scope, /, limit: int, as_json: bool) -> None:
    """Tell what was done to dead letters and errors by hand: who, when, what and why."""
    with scope.connection() as connection:
        found = scope.letters_of(connection).audit.entries(limit=limit)
    if as_json:
        emit_json([entry.as_json() for entry in found])
    else:
        show_table(ENTRIES, map(_entry_row, found), empty="nothing was done by hand")


def _confirm(matching: int) -> None:
    letters = noun(matching, "dead letter")
    if not is_interactive():
        raise UsageError(f"this discards {letters}", hint="to do it: --yes")
    if not click.confirm(f"Discard {letters}?", err=True):
        raise Refused("nothing was discarded")


def letter_row(letter: Letter) -> Sequence[str]:
    """Return a letter as lists show it."""
    return (
        str(letter.id),
        moment(letter.died_at),
        letter.queue,
        letter.kind,
        letter.reason,
        str(letter.attempts),
        letter.fingerprint[:8],
        error_line(letter.error_type, letter.error_message),
    )


def _group_row(group: Group) -> Sequence[str]:
    return (
        group.fingerprint,
        count(group.count),
        moment(group.first_seen),
        moment(group.last_seen),
        ", ".join(group.kinds),
        " ".join(map(str, group.sample_ids)),
        error_line(group.error_type, group.error_message),
    )


def _entry_row(entry: AuditEntry) -> Sequence[str]:
    return moment(entry.at), entry.actor, entry.action, value(entry.subject), entry.why or ""


def error_line(name: str | None, message: str | None) -> str:
    """Return an error on one line."""
    return (f"{name or 'no error'}: {message or ''}".rstrip(": ").splitlines() or ["no error"])[0]
