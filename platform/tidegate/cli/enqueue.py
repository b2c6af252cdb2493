"""`tidegate enqueue`: one job, and what becomes of it where somebody waits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import data, emit_json, say
from tidegate.cli.params import KIND, PRIORITY, QUEUE, SECONDS, TEXT, TIME, json_option
from tidegate.cli.scope import Scope
from tidegate.cli.wording import value
from tidegate.errors import TidegateError, UsageError, nearest

if TYPE_CHECKING:
    import psycopg

    from tidegate.events import Event
    from tidegate.introspection import Inspector, JobDetail

__all__ = ["enqueue"]

LOOK: Final = 0.1  # seconds between two looks at a job that is waited for
OVER: Final = ("completed", "cancelled", "dead")
WAITED_LONG_ENOUGH: Final = 124


@click.command("enqueue", cls=Command)
@click.argument("kind", type=KIND)
@click.argument("words", metavar="[NAME=VALUE]...", nargs=-1)
@click.option(
    "--args", "args_json", type=TEXT, metavar="JSON", help="Positional arguments, as a JSON array; - reads them, @FILE too."
)
@click.option("--kwargs", "kwargs_json", type=TEXT, metavar="JSON", help="Named arguments, as a JSON object; likewise.")
@click.option("--queue", type=QUEUE, help="Another queue than the job's own.")
@click.option("--delay", type=SECONDS, metavar="SECONDS", help="Not before so long from now: 30, 5m, 1h30m.")
@click.option("--at", type=TIME, metavar="TIME", help="Not before this time, with its zone: 2030-12-24T18:00Z.")
@click.option("--priority", type=PRIORITY, metavar="N", help="From -100 (first) to 100 (last).")
@click.option("--wait", is_flag=True, help="Wait until it is over; exit code 0 if it completed.")
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="Wait no longer than this; exit code 124.")
@json_option
@click.pass_obj
def enqueue(
    scope: Scope,
    kind: str,
    words: Sequence[str],
    args_json: str | None,
    kwargs_json: str | None,
    queue: str | None,
    delay: float | None,
    at: datetime | None,
    priority: int | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Enqueue one job.

    Arguments are written NAME=VALUE and read by the annotations of the job's function.
    """
    from tidegate.handlers import Call  # noqa: PLC0415 - what is needed to enqueue is imported by who does
    from tidegate.observe.tracing import exported  # noqa: PLC0415 - likewise

    if timeout is not None and not wait:
        raise UsageError("--timeout is for --wait", hint="add --wait, or leave --timeout out")
    if delay is not None and at is not None:
        raise UsageError("--delay and --at are both given, and a job is due once", hint="say one of them")
    handler = scope.handlers.resolve(kind)
    args, kwargs = handler.signature.convert(words, args_json, kwargs_json)
    call = Call(handler.kind, args, kwargs).options(delay=delay, run_at=at, priority=priority, queue=queue)
    with exported(), scope.connection() as connection:
        job_id, chosen = _insert(scope, call, connection)
        told: dict[str, Any] = {"id": job_id, "queue": chosen, "kind": handler.kind, "deduplicated": False}
        if not as_json:
            data(str(job_id))
            say(f"enqueued in {chosen}" if wait else f"enqueued in {chosen}; what becomes of it: tidegate jobs show {job_id}")
        inspector = scope.inspector_of(connection)
        _warn_of_unknown(inspector, handler.kind, job_id)
        found = _wait(inspector, job_id, chosen, timeout) if wait else None
    if found is not None:
        told |= {"state": found.job.state, "result": found.result, "error": found.as_json()["error"]}
        if not as_json:
            _tell(found)
    if as_json:
        emit_json(told)
    if found is not None and found.job.state != "completed":
        raise click.exceptions.Exit(1 if found.job.state in OVER else WAITED_LONG_ENOUGH)


def _insert(scope: Scope, call: Any, connection: psycopg.Connection[Any]) -> tuple[int, str]:
    """Enqueue, and return the job's id and its queue."""
    from tidegate.client.blocking import BlockingTidegate  # noqa: PLC0415 - likewise
    from tidegate.events import Enqueued  # noqa: PLC0415 - likewise

    seen: list[Enqueued] = []

    def see(event: Event) -> None:
        if isinstance(event, Enqueued):
            seen.append(event)

    tide = BlockingTidegate(scope.settings)
    tide.events.subscribe(see)
    job_id = tide.enqueue(call, connection=connection)
    return job_id, seen[0].queue


def _warn_of_unknown(inspector: Inspector, kind: str, job_id: int) -> None:
    """Say it where nodes live and none of them knows the kind: the job is in, and would be dead in a minute."""
    from tidegate.store.protocol import UNKNOWN_AFTER  # noqa: PLC0415 - likewise

    try:
        known = inspector.kinds()
    except TidegateError:
        return  # the job is in, whatever a role that may only enqueue is not allowed to see
    if not known or kind in known:
        return
    close = nearest(kind, known)
    say(
        f"warning: no live node knows the kind {kind}{f'; did you mean {close[0]}?' if close else ''}\n\n"
        f"hint: a ready job of a kind that no node has known for {UNKNOWN_AFTER:g} s is dead; restart the nodes with its module "
        f"in `jobs:`, or take it back: tidegate jobs cancel {job_id}"
    )


def _wait(inspector: Inspector, job_id: int, queue: str, timeout: float | None) -> JobDetail:
    """Return the job once it is over, or as it is when the time is."""
    deadline = None if timeout is None else time.monotonic() + timeout
    if not inspector.queue(queue).nodes:
        say(f"no live node serves {queue} at this moment; `tidegate up` starts one")
    while (found := inspector.job(job_id)).job.state not in OVER:
        if deadline is not None and time.monotonic() >= deadline:
            break
        time.sleep(LOOK)
    return found


def _tell(found: JobDetail) -> None:
    job = found.job
    match job.state:
        case "completed":
            say("completed" if found.result is not None else "completed, without a result")
            if found.result is not None:
                data(value(found.result))
        case "cancelled" | "dead":
            error = "" if found.error_type is None else f": {found.error_type}: {found.error_message or ''}"
            say(f"{job.state}{error}\n\nhint: tidegate jobs show {job.id} tells every attempt")
        case state:
            say(f"still {state} after the time that --timeout gave; it stays in its queue")
