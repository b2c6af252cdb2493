"""A dead letter's handler once more, here and for its own sake: nothing in the queue changes, whatever comes of it.

It gets the arguments that are stored. What it writes through `ctx.connection` is rolled back; what else it does is real.
No time-out ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tidegate.dead_letters.letters import LetterDetail
from tidegate.handlers import Handler, JobContext
from tidegate.jobs import Job
from tidegate.runtime.transaction import AsyncTransaction, SyncTransaction
from tidegate.store.pool import blocking_engine, make_engine

__all__ = ["Rehearsed", "job_of", "rehearse"]

OURS: Final = frozenset({__name__, "tidegate.handlers.handler"})


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it: what the handler returned, or what it raised, with its traceback."""

    value: Any = None
    error: BaseException | None = None


def job_of(detail: LetterDetail, args: str, meta: Mapping[str, Any]) -> Job[bytes]:
    """Return the job that a letter was, with its arguments and its meta whole."""
    letter = detail.letter
    return Job(
        id=letter.job_id,
        queue=letter.queue,
        kind=letter.kind,
        args=args.encode(),
        attempt=max(letter.attempts, 1),
        max_attempts=detail.max_attempts,
        priority=detail.priority,
        lease=detail.lease,
        seq=0,
        enqueued_at=detail.enqueued_at,
        run_at=detail.run_at,
        waited=0.0,
        crashes=detail.crashes,
        meta=meta,
    )


def rehearse(handler: Handler, job: Job[bytes], *, conninfo: str) -> Rehearsed:
    """Run the handler once; InvalidJob where the arguments do not decode, and whatever it raises is told, not raised."""
    args, kwargs = handler.signature.decode(job.args)
    if handler.batch:
        args, kwargs = ([replace(job, args=args[0])],), {}
    if handler.is_async:
        return asyncio.run(_awaited(handler, job, args, kwargs, conninfo))
    engine = blocking_engine(conninfo, pool_size=1, overflow=0)
    transaction = SyncTransaction(engine)
    context = JobContext(job, connection=lambda: transaction.connection, cancelled=_never)
    try:
        return Rehearsed(handler.invoke(args, kwargs, context))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises is what was asked for
        return Rehearsed(error=_from_the_handler_on(error))
    finally:
        transaction.discard()
        engine.dispose()


async def _awaited(handler: Handler, job: Job[bytes], args: tuple[Any, ...], kwargs: dict[str, Any], conninfo: str) -> Rehearsed:
    engine = make_engine(conninfo, pool_size=1, overflow=0)
    transaction = AsyncTransaction(engine)
    context = JobContext(job, connection=lambda: transaction.connection, cancelled=_never)
    try:
        return Rehearsed(await handler.invoke(args, kwargs, context))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        return Rehearsed(error=_from_the_handler_on(error))
    finally:
        await transaction.discard()
        await engine.dispose()


def _from_the_handler_on(error: BaseException) -> BaseException:
    """Return the error with a traceback that begins in the handler, where there is one."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in OURS:
        trace = trace.tb_next
    return error if trace is None else error.with_traceback(trace)


def _never() -> bool:
    return False
