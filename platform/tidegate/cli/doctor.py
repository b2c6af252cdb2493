"""`tidegate doctor`: what is wrong, why it matters, how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import emit_json, neutral, say
from tidegate.cli.params import json_option
from tidegate.cli.scope import Scope
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.introspection.doctor import Finding

__all__ = ["doctor"]

UNHEALTHY = 5


@click.command("doctor", cls=Command)
@click.option("--fix", is_flag=True, help="Do what can be done without harm: migrate, make partitions, vacuum.")
@click.option(
    "--old-transaction",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=300.0,
    show_default=True,
    help="From which age on an open transaction is worth a word.",
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, fix: bool, old_transaction: float, as_json: bool) -> None:
    """Look over database and fleet: what is wrong, and how to mend it.

    Exits with 5 where something is wrong.
    """
    from tidegate.introspection.asking import asking  # noqa: PLC0415 - psycopg costs what `--help` should not pay
    from tidegate.introspection.doctor import examine, mend  # noqa: PLC0415 - likewise
    from tidegate.store.connection import connect  # noqa: PLC0415 - likewise

    scope: Scope = ctx.obj
    settings = scope.settings
    with scope.place() as database, connect(database.conninfo) as connection, asking("examine the database"):

        def look() -> list[Finding]:
            return examine(
                connection,
                database.conninfo,
                settings={name: settings.queue(name) for name in settings.queue_names},
                config=settings.fingerprint,
                old_transaction=old_transaction,
            )

        found = look()
        if fix and found:
            for done in mend(connection, database.conninfo, found):
                say(done)
            found = look()
    if as_json:
        emit_json([finding.as_json() for finding in found])
    else:
        _show(found)
    if found:
        ctx.exit(UNHEALTHY)


def _show(found: Sequence[Finding]) -> None:
    if not found:
        say("nothing is wrong")
        return
    for finding in found:
        click.echo(neutral(f"{finding.severity}: {finding.what}"))
        click.echo(neutral(f"  why it matters: {finding.why}"))
        click.echo(neutral(f"  to mend it: {finding.mend}"))
    say(
        f"\n{noun(len(found), 'finding')}"
        + ("; `tidegate doctor --fix` does what it can" if any(each.fix for each in found) else "")
    )
