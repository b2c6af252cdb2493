"""`tidegate dlq export|import`: dead letters between databases, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

import click

from tidegate.cli.lazy import Command
from tidegate.cli.letter_filter import Choice, actor_options, filter_options
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import JOB_ID, json_option
from tidegate.cli.scope import Scope
from tidegate.plurals import noun

__all__ = ["export", "import_letters"]


@click.command("export", cls=Command)
@click.argument("ids", metavar="[ID]...", type=JOB_ID, nargs=-1)
@filter_options()
@click.option("--with-secrets", is_flag=True, help="Whole, so that they can run elsewhere as they are.")
@actor_options
@json_option
@click.pass_obj
def export(
    scope: Scope, /, ids: Sequence[int], with_secrets: bool, why: str | None, actor: str | None, as_json: bool, **said: Any
) -> None:
    """Write open dead letters to standard output, a line of JSON each; all of them, unless some are chosen.

    Secrets are left out. A letter that lacks some cannot run where it is imported until `tidegate dlq edit` has given it what is
    missing.
    """
    choice = Choice.taken(said, ids)
    with scope.connection() as connection:
        letters = scope.letters_of(connection)
        letters.check_open(ids)
        found = scope.mover_of(connection, actor).export(choice.wanted(letters), with_secrets=with_secrets, why=why)
        if as_json:
            emit_json(list(found))
            return
        told = lacking = 0
        for each in found:
            click.echo(json.dumps(each))
            told += 1
            lacking += each["redacted"]
    without = f", {lacking:,} of them without their secrets" if lacking else ""
    say(f"{noun(told, 'dead letter')} exported{without}")


@click.command("import", cls=Command)
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@actor_options
@json_option
@click.pass_obj
def import_letters(scope: Scope, /, file: TextIO, why: str | None, actor: str | None, as_json: bool) -> None:
    """Take in dead letters that `export` wrote, from FILE or standard input: all of them, or none where a line does not read.

    Those that are here already are left as they are. None runs: `tidegate dlq retry` does that.
    """
    with scope.connection() as connection:
        done = scope.mover_of(connection, actor).take_in(file, why=why)
    if as_json:
        emit_json({"imported": done.letters, "known": done.known, "redacted": done.redacted})
        return
    known = f"; {noun(done.known, 'was', 'were')} here already" if done.known else ""
    say(f"{noun(done.letters, 'dead letter')} imported{known}")
    if done.redacted:
        say(f"\n{done.redacted:,} came without their secrets, and do not run until they have them: tidegate dlq edit ID")
