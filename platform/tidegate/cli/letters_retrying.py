"""`tidegate dlq retry|redrives|cancel`: bringing dead letters back."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.letter_filter import Choice, actor_options, filter_options
from tidegate.cli.letters_reading import LETTERS, letter_row
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import JOB_ID, QUEUE, RATE, Number, json_option, limit_option
from tidegate.cli.queues import is_interactive
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_table
from tidegate.cli.wording import count, moment, value
from tidegate.errors import Refused, TidegateError, UnknownQueue, UsageError
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.dead_letters import Canary, DeadLetterQueue, Redrive, Redrives, Wanted
    from tidegate.dead_letters.redrives import Step

__all__ = ["cancel", "redrives", "retry"]

SAMPLE: Final = 5
TOLD: Final = 1_000  # jobs that are told one by one
REDRIVES: Final = (
    Column("ID", right=True),
    Column("STATE"),
    Column("DONE", right=True),
    Column("OF", right=True),
    Column("STARTED"),
    Column("WHO", cut=True),
    Column("WHICH", cut=True),
    Column("SAID", cut=True),
)


@click.command("retry", cls=Command)
@click.argument("ids", metavar="[ID]...", type=JOB_ID, nargs=-1)
@filter_options("--from-queue")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--queue", type=QUEUE, help="Into this queue; where nothing else chooses letters, those of this queue.")
@click.option("--dry-run", is_flag=True, help="Show how many they are, and some of them; bring none back.")
@click.option("--rate", type=RATE, metavar="N", help="So many a second at most.")
@click.option(
    "--canary", type=Number(1, 1_000, "a canary"), metavar="N", help="So many first, and the rest only once all of them completed."
)
@click.option("--resume", type=JOB_ID, metavar="ID", help="Go on with an earlier retry of many that did not end.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@actor_options
@json_option
@click.pass_obj
def retry(
    scope: Scope,
    /,
    ids: Sequence[int],
    everything: bool,
    queue: str | None,
    dry_run: bool,
    rate: float | None,
    canary: int | None,
    resume: int | None,
    yes: bool,
    why: str | None,
    actor: str | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Run dead letters again, each as a new job that is linked to it.

    What did not end (Ctrl-C, a lost connection, --canary) is gone on with by --resume. Whatever happens, each letter comes back
    once.
    """
    choice = Choice.taken(said, ids)
    if choice.empty and not everything and queue is not None and resume is None:
        choice, queue = replace(choice, queues=(queue,)), None
    _check(scope, choice, everything=everything, queue=queue, resume=resume)
    with scope.connection() as connection:
        letters, redrives_ = scope.letters_of(connection, actor), scope.redrives_of(connection, actor)
        if resume is not None:
            _drive(redrives_, redrives_.resume(resume, why=why), as_json=as_json)
            return
        letters.check_open(ids)
        wanted = choice.wanted(letters)
        if dry_run:
            _preview(letters, wanted, as_json=as_json)
            return
        matching = letters.count(wanted)
        if not ids and not yes and matching > 1:
            _confirm(matching)
        redrive = redrives_.begin(wanted, queue=queue, rate=rate, canary=canary, why=why)
        _drive(redrives_, redrive, as_json=as_json, ids=tuple(dict.fromkeys(ids)))


@click.command("redrives", cls=Command)
@click.argument("redrive_id", metavar="[ID]", type=JOB_ID, required=False)
@limit_option
@json_option
@click.pass_obj
def redrives(scope: Scope, /, redrive_id: int | None, limit: int, as_json: bool) -> None:
    """List the retries of many letters, how far they are and why they stopped, the newest first."""
    with scope.connection() as connection:
        all_of_them = scope.redrives_of(connection)
        found = all_of_them.list(limit=limit) if redrive_id is None else [all_of_them.show(redrive_id)]
    if as_json:
        told = [redrive.as_json() for redrive in found]
        emit_json(told if redrive_id is None else told[0])
    else:
        show_table(REDRIVES, map(_row, found), empty="no letters were retried yet")


@click.command("cancel", cls=Command)
@click.argument("redrive_id", metavar="ID", type=JOB_ID)
@actor_options
@json_option
@click.pass_obj
def cancel(scope: Scope, /, redrive_id: int, why: str | None, actor: str | None, as_json: bool) -> None:
    """End a retry of many letters, whoever runs it; what came back stays back."""
    with scope.connection() as connection:
        redrive = scope.redrives_of(connection, actor).cancel(redrive_id, why=why)
    if as_json:
        emit_json(redrive.as_json())
    else:
        say(f"redrive {redrive.id} is cancelled: {_of(redrive)} came back\n\ngo on: tidegate dlq retry --resume {redrive.id}")


def _check(scope: Scope, choice: Choice, *, everything: bool, queue: str | None, resume: int | None) -> None:
    if resume is not None:
        if not choice.empty or everything or queue is not None:
            raise UsageError("--resume goes on with what was chosen then", hint="leave the other choices out")
        return
    if choice.empty and not everything:
        raise UsageError(
            "which dead letters? none is named",
            hint="name ids, or choose by --group, --kind, --from-queue, --older-than, ...; --all takes all",
        )
    if not choice.empty and everything:
        raise UsageError("--all and a choice are both given", hint="say one of them")
    if queue is not None and scope.settings.queue_names and queue not in scope.settings.queue_names:
        raise UnknownQueue(queue, scope.settings.queue_names)


def _preview(letters: DeadLetterQueue, wanted: Wanted, *, as_json: bool) -> None:
    matching, sample = letters.count(wanted), letters.list(wanted, limit=SAMPLE)
    if as_json:
        emit_json({"dry_run": True, "count": matching, "sample": [letter.as_json() for letter in sample]})
        return
    show_table(LETTERS, map(letter_row, sample), empty="no such dead letters")
    more = f", {matching - len(sample):,} more than are shown" if matching > len(sample) else ""
    say(f"\n{noun(matching, 'dead letter')} would come back{more}; none did")


def _confirm(matching: int) -> None:
    if is_interactive() and not click.confirm(f"Retry {noun(matching, 'dead letter')}?", err=True):
        raise Refused("nothing was retried")


def _drive(redrives_: Redrives, redrive: Redrive, *, as_json: bool, ids: Sequence[int] = ()) -> None:
    jobs: dict[int, int] = {}
    with _progress(redrive) as bar:

        def step(done: Step) -> None:
            if len(jobs) < TOLD:
                jobs.update(done.jobs)
            bar.step(len(done.jobs))

        try:
            ended = redrives_.drive(redrive, on_step=step, on_canary=bar.canary)
        except KeyboardInterrupt:
            bar.close()
            say(f"\nredrive {redrive.id} was interrupted; go on: tidegate dlq retry --resume {redrive.id}")
            raise
    if as_json:
        told = [{"id": letter, "job_id": job_id} for letter, job_id in list(jobs.items())[:TOLD]]
        emit_json(
            {"redrive": ended.id, "state": ended.state, "count": ended.done, "total": ended.total, "said": ended.said, "jobs": told}
        )
    elif ids and len(ids) <= SAMPLE:
        for letter, job_id in jobs.items():
            say(f"dead letter {letter} runs again as job {job_id}")
    else:
        say(f"{_of(ended)} came back" + (f" (redrive {ended.id})" if ended.total > 1 else ""))
    _judge(ended, ids)


def _judge(ended: Redrive, ids: Sequence[int]) -> None:
    go_on = f"go on with the rest: tidegate dlq retry --resume {ended.id}"
    if ended.state == "stopped":
        raise TidegateError(f"redrive {ended.id} stopped: {ended.said}", hint=go_on)
    if ended.state == "cancelled":
        raise Refused(f"redrive {ended.id} was cancelled: {ended.said}", hint=go_on)
    if ids and ended.done < len(ids):
        raise Refused(
            f"{len(ids) - ended.done} of these did not come back",
            hint="somebody else is changing them, or they came without their secrets: `tidegate dlq show ID` tells",
        )


class _Bar:
    """Progress in words that overwrite each other on a terminal, and in none elsewhere."""

    def __init__(self, redrive: Redrive) -> None:
        self._total = redrive.total
        self._done = redrive.done
        self._shown = sys.stderr.isatty() and redrive.total > 1
        self._canary = ""

    def step(self, letters: int) -> None:
        self._done += letters
        self._canary = ""
        self._show()

    def canary(self, canary: Canary) -> None:
        over = sum(state == "completed" for state in canary.states.values())
        self._canary = f"; canaries: {over} of {len(canary.states)} completed"
        self._show()

    def close(self) -> None:
        if self._shown and self._done:
            click.echo("", err=True)

    def _show(self) -> None:
        if self._shown:
            part = min(self._done / self._total, 1.0) if self._total else 1.0
            bar = "█" * int(part * 30)
            click.echo(f"\r{bar:<30} {part:4.0%}  {self._done:,} of {self._total:,}{self._canary}\x1b[K", err=True, nl=False)


@contextmanager
def _progress(redrive: Redrive) -> Iterator[_Bar]:
    bar = _Bar(redrive)
    yield bar
    bar.close()


def _of(redrive: Redrive) -> str:
    return f"{redrive.done:,} of {noun(redrive.total, 'dead letter')}"


def _row(redrive: Redrive) -> Sequence[str]:
    told = redrive.as_json()
    return (
        str(redrive.id),
        told["state"],
        count(redrive.done),
        count(redrive.total),
        moment(redrive.started_at),
        redrive.actor,
        value(told["wanted"]) if told["wanted"] else "all",
        redrive.said or redrive.why or "",
    )
