"""`tidegate dlq debug`: a dead letter's handler once more, here, under the debugger where it raises."""

from __future__ import annotations

import pdb  # noqa: T100 - what this command is for
from typing import TYPE_CHECKING, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import say
from tidegate.cli.params import JOB_ID
from tidegate.cli.scope import Scope
from tidegate.errors import Refused, TidegateError

if TYPE_CHECKING:
    from tidegate.dead_letters.rehearsal import Rehearsed
    from tidegate.runtime.describing import Account

__all__ = ["debug"]

LONGEST: Final = 10_000  # characters of what came back


@click.command("debug", cls=Command)
@click.argument("letter_id", metavar="ID", type=JOB_ID)
@click.option("--no-pdb", is_flag=True, help="Only run it, and show what it raises.")
@click.pass_obj
def debug(scope: Scope, /, letter_id: int, no_pdb: bool) -> None:
    """Run the handler of a dead letter here, with its stored arguments, and stop in the debugger where it raises.

    Nothing in the queue changes, and what the handler writes through ctx.connection is rolled back. Whatever else it does is real:
    mails are sent. No time-out holds. Exit code 0 where it returned, 1 where it raised.
    """
    from tidegate.dead_letters.rehearsal import job_of, rehearse  # noqa: PLC0415 - what is needed to run is imported by who does
    from tidegate.fingerprint import Application  # noqa: PLC0415 - likewise
    from tidegate.runtime.describing import Describer  # noqa: PLC0415 - likewise

    with scope.place() as database:
        with scope.connection() as connection:
            detail, stored, meta = scope.letters_of(connection).stored_job(letter_id)
        if detail.redacted:
            raise Refused(
                f"dead letter {letter_id} came without its secrets, and would fail for that alone",
                hint=f"tidegate dlq edit {letter_id}",
            )
        handler = scope.handlers.resolve(detail.letter.kind)
        say(f"running {handler.kind} of dead letter {letter_id} here; nothing in the queue changes, what else it does is real\n")
        job = job_of(detail, stored, meta)
        ended = rehearse(handler, job, conninfo=database.for_application)
    account = Describer(Application(scope.handlers.modules)).account(handler.kind, handler, [job])
    _tell(ended, account, detail.letter.fingerprint, stop=not no_pdb)


def _tell(ended: Rehearsed, account: Account, group: str, *, stop: bool) -> None:
    from tidegate.jobs import Outcome  # noqa: PLC0415 - likewise

    error = ended.error
    if error is None:
        say(f"it returned {account.clean(repr(ended.value))[:LONGEST]}")
        return
    if isinstance(error, Outcome):
        say(f"it ended by raising {account.clean(repr(error))[:LONGEST]}")
        raise click.exceptions.Exit(1)
    failure = account(error)
    say(failure.traceback.rstrip())
    same = group in {failure.fingerprint, failure.coarse}
    say(
        f"\n{'the failure that it died of' if same else f'another failure than the one that it died of, which is of group {group}'}"
    )
    if stop and error.__traceback__ is not None:
        say("\nthe debugger stands where it was raised: `up` and `down` walk the frames, `p NAME` shows a value, `q` ends\n")
        pdb.post_mortem(error.__traceback__)
    say("")
    said = f"{failure.type}: {failure.message}".splitlines()[0][:LONGEST]
    raise TidegateError(
        f"it raised {said}", hint="once that is mended: tidegate dlq retry, or dlq edit where the arguments are wrong"
    )
