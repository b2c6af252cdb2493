"""`tidegate jobs`: what there is, what became of it, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import emit_json, say
from tidegate.cli.params import JOB_ID, KIND, QUEUE, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_record, show_table
from tidegate.cli.wording import NOTHING, called, count, moment, span, value
from tidegate.errors import NotFound, Refused
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.introspection import AttemptView, Cancelled, JobDetail, JobView

__all__ = ["jobs"]

STATES: Final = ("scheduled", "ready", "running", "completed", "cancelled", "dead")
COLUMNS: Final = (
    Column("ID", right=True),
    Column("STATE"),
    Column("QUEUE"),
    Column("KIND", cut=True),
    Column("ATTEMPT", right=True),
    Column("ENQUEUED"),
    Column("STARTED"),
    Column("FINISHED"),
)
ATTEMPTS: Final = (
    Column("ATTEMPT", right=True),
    Column("OUTCOME"),
    Column("STARTED"),
    Column("TOOK", right=True),
    Column("NODE", cut=True),
    Column("ERROR", cut=True),
)


@click.group(cls=Group)
def jobs() -> None:
    """List, show, explain, cancel and retry jobs."""


@jobs.command("list")
@click.option("--queue", "queues", type=QUEUE, multiple=True, help="Of this queue only; may be given several times.")
@click.option("--kind", "kinds", type=KIND, multiple=True, help="Of this kind only; may be given several times.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="In this state only; may be given several times.")
@click.option("--after", type=JOB_ID, metavar="ID", help="Go on after this job: the older ones.")
@limit_option
@json_option
@click.pass_obj
def list_jobs(
    scope: Scope, queues: Sequence[str], kinds: Sequence[str], states: Sequence[str], after: int | None, limit: int, as_json: bool
) -> None:
    """List jobs, live, finished and dead, the newest first."""
    from tidegate.introspection import JobFilter  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.inspector() as inspector:
        found = inspector.jobs(JobFilter(queues, kinds, states, after), limit=limit)
    if as_json:
        emit_json([job.as_json() for job in found])
        return
    show_table(COLUMNS, map(_row, found), empty="no jobs" if after is None else "no older jobs")
    if len(found) == limit:
        say(f"\nolder ones: --after {found[-1].id}")


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@click.pass_obj
def show_job(scope: Scope, job_id: int, as_json: bool) -> None:
    """Show one job: arguments, result, every attempt."""
    with scope.inspector() as inspector:
        found = inspector.job(job_id)
    if as_json:
        emit_json(found.as_json())
        return
    show_record(_fields(found))
    if found.attempts:
        click.echo()
        show_table(ATTEMPTS, map(_attempt_row, found.attempts), empty="")
    for attempt in found.attempts:
        if attempt.traceback or attempt.output:
            click.echo()
            show_record(_story(attempt))


@jobs.command("explain")
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@click.pass_obj
def explain_job(scope: Scope, job_id: int, as_json: bool) -> None:
    """Tell every reason why a job is not running, and what changes it."""
    from tidegate.cli.reasons import show_reasons  # noqa: PLC0415 - likewise

    with scope.inspector() as inspector:
        detail, reasons = inspector.explain_job(job_id)
    if as_json:
        emit_json(
            {"id": job_id, "queue": detail.job.queue, "state": detail.job.state, "reasons": [why.as_json() for why in reasons]}
        )
        return
    click.echo(f"job {job_id} of queue {detail.job.queue} is {detail.job.state}:")
    show_reasons(reasons)


@jobs.command("cancel")
@click.argument("ids", metavar="ID...", type=JOB_ID, nargs=-1, required=True)
@json_option
@click.pass_obj
def cancel_jobs(scope: Scope, ids: Sequence[int], as_json: bool) -> None:
    """Cancel jobs: waiting ones at once, running ones are asked.

    A running job ends as cancelled when its handler ends, or is ended by its node.
    """
    from tidegate.cli.partitions import with_room  # noqa: PLC0415 - likewise
    from tidegate.introspection import Operator  # noqa: PLC0415 - likewise

    with scope.connection() as connection:
        results = with_room(connection, lambda: Operator(connection).cancel(ids))
    if as_json:
        emit_json(
            [{"id": each.id, "queue": each.queue, "state": each.state, "cancel_requested": each.requested} for each in results]
        )
    else:
        for each in results:
            say(_cancelled(each))
    _judge(results)


@jobs.command("retry")
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.option("--again", is_flag=True, help="Also where the job is completed: run it once more.")
@json_option
@click.pass_obj
def retry_job(scope: Scope, job_id: int, again: bool, as_json: bool) -> None:
    """Run a job again: now, or as a new job.

    A scheduled job is made ready now; a dead or cancelled one becomes a new job, and a completed one does with --again.
    """
    from tidegate.introspection import Operator  # noqa: PLC0415 - likewise

    with scope.connection() as connection:
        retried = Operator(connection).retry(job_id, again=again)
    if as_json:
        emit_json({"id": retried.new_id, "queue": retried.queue, "retry_of": job_id})
    elif retried.new_id == job_id:
        say(f"job {job_id} is ready now, in queue {retried.queue}")
    else:
        click.echo(retried.new_id)
        say(f"job {job_id} was enqueued again as job {retried.new_id}, in queue {retried.queue}")


def _row(job: JobView) -> Sequence[str]:
    return (
        str(job.id),
        job.state,
        job.queue,
        job.kind,
        _attempts(job),
        moment(job.enqueued_at),
        moment(job.started_at),
        moment(job.finished_at),
    )


def _attempts(job: JobView) -> str:
    return str(job.attempt) if job.max_attempts is None else f"{job.attempt}/{job.max_attempts}"


def _fields(detail: JobDetail) -> Iterator[tuple[str, str]]:
    job = detail.job
    state = job.state if detail.reason is None else f"{job.state} ({detail.reason})"
    yield "job", str(job.id)
    yield "kind", job.kind
    yield "queue", job.queue
    yield "state", f"{state}, asked to end" if detail.cancel_requested else state
    yield "attempt", _attempts(job)
    yield "priority", str(job.priority)
    yield "enqueued", moment(job.enqueued_at)
    yield "due", moment(job.run_at)
    yield "started", moment(job.started_at)
    yield "finished", moment(job.finished_at)
    yield "node", detail.node or NOTHING
    yield from called(detail.args, detail.kwargs, stored=detail.stored, meta=detail.meta)
    if detail.result is not None:
        yield "result", value(detail.result)
    if detail.error_type is not None:
        yield "error", f"{detail.error_type}: {detail.error_message or ''}"
    if detail.crashes:
        yield "crashes", count(detail.crashes)
    if detail.retried_as is not None:
        yield "retried as", f"job {detail.retried_as}"


def _attempt_row(attempt: AttemptView) -> Sequence[str]:
    error = NOTHING if attempt.error_type is None else f"{attempt.error_type}: {attempt.error_message or ''}"
    took, node = span(attempt.duration), attempt.node or NOTHING
    return str(attempt.attempt), attempt.outcome, moment(attempt.started_at), took, node, error.splitlines()[0]


def _story(attempt: AttemptView) -> Iterable[tuple[str, str]]:
    if attempt.traceback:
        yield f"traceback of attempt {attempt.attempt}", f"{attempt.traceback.rstrip()}\n"
    if attempt.output:
        yield f"output of attempt {attempt.attempt}", f"{attempt.output.rstrip()}\n"


def _cancelled(each: Cancelled) -> str:
    if each.requested:
        return f"job {each.id} is running in queue {each.queue}: it was asked to end"
    if each.state is None:
        return f"job {each.id}: there is none"
    return f"job {each.id} is {each.state}" + (f" in queue {each.queue}" if each.queue else "")


def _judge(results: Sequence[Cancelled]) -> None:
    missing = [each.id for each in results if each.state is None]
    over = [each for each in results if each.state in {"completed", "dead"}]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        ids = ", ".join(map(str, missing))
        raise NotFound(
            f"there {verb} no {noun(len(missing), 'job').split(' ', 1)[1]} {ids}", hint="`tidegate jobs list` shows those there are"
        )
    if over:
        ids = ", ".join(f"{each.id} ({each.state})" for each in over)
        raise Refused(f"these were over already: {ids}", hint="`tidegate jobs show ID` tells what became of one")
