"""`tidegate notify`: whether those who are to be told can be, what they were told, and what they could not be told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import JOB_ID, NAMED, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_table
from tidegate.cli.wording import NOTHING, count, moment
from tidegate.errors import ConfigurationError, NotFound, TidegateError, UsageError, nearest
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.notifications import Channel

__all__ = ["notify"]

TESTED: Final = (Column("CHANNEL"), Column("TELLS", cut=True), Column("OF", cut=True), Column("RESULT", cut=True))
TOLD: Final = (
    Column("ID", right=True),
    Column("CHANNEL"),
    Column("STATE"),
    Column("MADE"),
    Column("TRIES", right=True),
    Column("EVENT"),
    Column("TITLE", cut=True),
    Column("ERROR", cut=True),
)


@click.group(cls=Group)
def notify() -> None:
    """Test who is told when something goes wrong, and see what was told."""


@notify.command("test")
@click.argument("channel", type=NAMED, required=False)
@json_option
@click.pass_obj
def test(scope: Scope, channel: str | None, as_json: bool) -> None:
    """Send a test from here through every channel of the settings, or through CHANNEL. It needs no database.

    Exits with 1 where one of them could not be told.
    """
    from tidegate.notifications import channels_of  # noqa: PLC0415 - pydantic costs what `--help` should not pay

    rules = scope.settings.notifications
    channels = _chosen(channels_of(rules, scope.settings.folder), [rule.name or "" for rule in rules], channel)
    results = asyncio.run(_tested(channels))
    if as_json:
        emit_json(
            [
                {"channel": each.name, "target": each.shown, "on": list(each.events), "delivered": error is None, "error": error}
                for each, error in results
            ]
        )
    else:
        rows = ((each.name, each.shown, ", ".join(each.rule.on), error or "delivered") for each, error in results)
        show_table(TESTED, rows, empty="no channel")
    if failed := [each.name for each, error in results if error is not None]:
        raise TidegateError(
            f"{', '.join(failed)} could not be told",
            hint="what stands under RESULT is what the other end said; the addresses are under `notifications:` in queues.yaml",
        )


@notify.command("list")
@click.option(
    "--state", type=click.Choice(["pending", "sent", "failed"]), help="Only those that wait, were sent, or were given up."
)
@click.option("--channel", help="Only those of this channel.")
@limit_option
@json_option
@click.pass_obj
def list_notifications(scope: Scope, state: str | None, channel: str | None, limit: int, as_json: bool) -> None:
    """List what was told, waits to be told, or was given up, the newest first."""
    from tidegate.introspection.asking import asking  # noqa: PLC0415 - psycopg likewise
    from tidegate.store.alerts import notifications  # noqa: PLC0415 - likewise

    with scope.connection() as connection, asking("list notifications"):
        found = notifications(connection, limit=limit, states=None if state is None else [state], channel=channel)
    if as_json:
        emit_json([_as_json(each) for each in found])
    else:
        show_table(TOLD, map(_row, found), empty="nothing was told; `tidegate notify test` tries the channels")


@notify.command("retry")
@click.argument("ids", type=JOB_ID, nargs=-1, metavar="[ID...]")
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@click.pass_obj
def retry(scope: Scope, ids: Sequence[int], everything: bool) -> None:
    """Have what was given up tried again, by the leader."""
    from tidegate.store.alerts import try_again  # noqa: PLC0415 - likewise

    _act(scope, ids, everything, try_again, "will be tried again")


@notify.command("discard")
@click.argument("ids", type=JOB_ID, nargs=-1, metavar="[ID...]")
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@click.pass_obj
def discard_notifications(scope: Scope, ids: Sequence[int], everything: bool) -> None:
    """Let what was given up go: nobody need be told any more."""
    from tidegate.store.alerts import discard  # noqa: PLC0415 - likewise

    _act(scope, ids, everything, discard, "will not be told")


def _act(scope: Scope, ids: Sequence[int], everything: bool, act: Callable[..., list[int]], words: str) -> None:
    from tidegate.introspection.asking import asking  # noqa: PLC0415 - likewise

    if everything == bool(ids):
        raise UsageError("say which: their ids, or --all", hint="`tidegate notify list --state failed` shows them")
    with scope.connection() as connection, asking("change notifications"):
        done = act(connection, ids or None)
    if missing := sorted(set(ids) - set(done)):
        raise NotFound(
            f"not among those that were given up: {', '.join(map(str, missing))}",
            hint="`tidegate notify list --state failed` shows them",
        )
    say(f"{noun(len(done), 'notification')} {words}")


def _chosen(channels: Sequence[Channel], declared: Sequence[str], name: str | None) -> Sequence[Channel]:
    if not declared:
        raise ConfigurationError(
            "nobody is to be told anything: there are no notifications in the settings",
            hint='say who is, in queues.yaml: notifications: [{on: dead_letter, webhook: "${ALERT_URL:-}"}]',
        )
    if name is not None and name not in declared:
        close = nearest(name, declared)
        raise NotFound(
            f"there is no channel {name}", hint=f"did you mean {close[0]}?" if close else f"there are {', '.join(declared)}"
        )
    chosen = [channel for channel in channels if name in (None, channel.name)]
    active = {channel.name for channel in channels}
    off = [each for each in declared if each not in active and name in (None, each)]
    for each in off:
        say(f"{each} is switched off: its target is empty")
    if not chosen:
        raise ConfigurationError(
            f"{', '.join(off)}: switched off, so that nobody is told", hint="a variable that names the target is empty or not set"
        )
    return chosen


async def _tested(channels: Sequence[Channel]) -> list[tuple[Channel, str | None]]:
    return list(zip(channels, await asyncio.gather(*map(_sent, channels)), strict=True))


async def _sent(channel: Channel) -> str | None:
    """Send a test; return what went wrong."""
    from tidegate.notifications import Undelivered, deliver  # noqa: PLC0415 - likewise
    from tidegate.notifications.wording import trial_body  # noqa: PLC0415 - likewise

    try:
        await deliver(channel, trial_body(channel.name))
    except Undelivered as error:
        return str(error)
    return None


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    from tidegate.introspection.shapes import iso  # noqa: PLC0415 - likewise

    body = row["body"]
    return {
        **{key: row[key] for key in ("id", "channel", "event", "group", "state")},
        "title": body["title"],
        "count": body["count"],
        "tries": row["attempts"],
        **{key: iso(row[key]) for key in ("made_at", "due_at", "ended_at")},
        "error": row["error"],
        "facts": body["facts"],
    }


def _row(row: dict[str, Any]) -> Sequence[str]:
    return (
        str(row["id"]),
        row["channel"],
        row["state"],
        moment(row["made_at"]),
        count(row["attempts"]),
        row["event"],
        row["body"]["title"],
        row["error"] or NOTHING,
    )
