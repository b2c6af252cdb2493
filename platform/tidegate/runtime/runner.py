"""One run of a handler, from the claimed job to what the table is told.

The steps in order: find the handler, decode the arguments, call it through the executor, take what came of it as an `Outcome`,
settle. Only `_attempt` catches broadly: whatever a user's function raises is an outcome, not an error of the platform.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.circuit.judge import once
from tidegate.errors import DatabaseUnreachable, InvalidJob, Refused, UnknownKind
from tidegate.handlers import Handler, Handlers, JobContext
from tidegate.jobs import Cancelled, DamagedMeta, Done, Failed, Invalid, Job, Outcome, Released, State
from tidegate.lifecycle import Ack
from tidegate.records import record
from tidegate.runtime.describing import Account
from tidegate.runtime.executors import Executor, Raised, RunEnded
from tidegate.runtime.run_log import share
from tidegate.runtime.runs import Run, Runs
from tidegate.runtime.settlement import Settlement
from tidegate.supervision import spawn

if TYPE_CHECKING:
    from tidegate.spans.recorder import Recorder
    from tidegate.spans.recorder import Run as Span

__all__ = ["JobRunner", "Report", "Runner", "Transaction", "Transactions", "loop_time", "told"]


class Transaction(Protocol):
    """What stands behind `ctx.connection`; see runtime/transaction.py."""

    @property
    def used(self) -> bool:
        """Tell whether the handler touched the connection."""

    connection: Any


class Transactions(Protocol):
    """Makes the transaction of one run, and ends it."""

    def begin(self, *, is_async: bool) -> Any:
        """Return a transaction that connects when it is used."""

    async def finish(self, transaction: Any, acks: Sequence[Ack], *, node: str, now: float) -> Sequence[Any] | None:
        """Ack inside the transaction and commit; None when a lease was lost and everything was rolled back."""

    async def discard(self, transaction: Any) -> None:
        """Roll back."""

    def close(self) -> None:
        """Let go what it holds."""


@record(frozen=True, slots=True)
class Report:
    """What a run came to. `settled` acks were applied by the handler's own transaction; `lost` ones were refused there."""

    job: Job[bytes]
    ack: Ack
    settled: State | None = None
    lost: bool = False
    unsure: bool = False


class _Ended:
    """A run that is over: what was called, and what came of it."""

    __slots__ = ("_account", "_settlement", "at", "handler", "outcomes", "output", "raised", "run")

    def __init__(
        self,
        handler: Handler,
        run: Run,
        settlement: Settlement,
        outcomes: Mapping[int, Outcome],
        at: float,
        *,
        raised: bool = False,
    ) -> None:
        self.handler = handler
        self.run = run
        self.outcomes = outcomes
        self.at = at
        self.raised = raised
        self._settlement = settlement
        self._account: Account | None = None
        text = run.logged
        self.output = share(self.account().clean(text), len(run.jobs), run.log_limit) if text else None
        """What each of its jobs keeps of what it logged."""

    def account(self) -> Account:
        """Return what puts into words what went wrong in it; most runs need none."""
        if self._account is None:
            self._account = self._settlement.account(self.run.jobs, self.handler)
        return self._account


class JobRunner(Protocol):
    """What a consumer asks of a runner."""

    def batches(self, jobs: Sequence[Job[bytes]]) -> list[list[Job[bytes]]]:
        """Cut delivered jobs, in order, into what is run in one call."""

    async def run(self, jobs: Sequence[Job[bytes]], cancelled: Callable[[], bool]) -> list[Report]:
        """Run one call's jobs and settle each."""

    @property
    def turn_ends(self) -> float:
        """When a consumer, on the loop's clock, is to let others have their turn before it runs another call."""

    @property
    def full(self) -> bool:
        """Whether another call has to wait for a place."""

    async def room(self) -> None:
        """Return when there is a place for another call."""


def loop_time() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


class Runner:
    """Runs the jobs of one queue, one job or one batch at a time for each consumer."""

    def __init__(
        self,
        settlement: Settlement,
        handlers: Handlers,
        *,
        executor: Executor,
        transactions: Transactions,
        runs: Runs,
        node: str,
        spans: Recorder | None = None,
        clock: Callable[[], float] = loop_time,
    ) -> None:
        self._settlement = settlement
        self._runs = runs
        self._handlers = handlers
        self._executor = executor
        self._transactions = transactions
        self._node = node
        self._spans = spans
        self._clock = clock

    def batches(self, jobs: Sequence[Job[bytes]]) -> list[list[Job[bytes]]]:
        """See `JobRunner.batches`."""
        return self._settlement.batches(jobs)

    @property
    def turn_ends(self) -> float:
        """See `JobRunner.turn_ends`."""
        return self._executor.turn_ends

    @property
    def full(self) -> bool:
        """See `JobRunner.full`."""
        return self._executor.full

    async def room(self) -> None:
        """See `JobRunner.room`."""
        await self._executor.room()

    async def run(self, jobs: Sequence[Job[bytes]], cancelled: Callable[[], bool]) -> list[Report]:
        """See `JobRunner.run`."""
        if self._spans is None:
            return await self._run(jobs, cancelled, None)
        with self._spans.process(jobs) as span:
            return await self._run(jobs, cancelled, span)

    async def _run(self, jobs: Sequence[Job[bytes]], cancelled: Callable[[], bool], span: Span | None) -> list[Report]:
        try:
            handler = self._handlers.resolve(jobs[0].kind)
        except UnknownKind as error:
            acks = [self._settlement.ack(job, Invalid(error), ended=self._clock()) for job in jobs]
            return told(jobs, await self._settlement.all_examined(jobs, acks), span)
        transaction = self._transactions.begin(is_async=handler.is_async) if handler.wants_context else None
        try:
            ended = await self._attempt(handler, jobs, transaction, cancelled)
        except BaseException:  # this run is asked to end: its writes go, the job is handed back by the consumer
            if transaction is not None:
                await self._transactions.discard(transaction)
            raise
        acks = [self._ack(ended, job) for job in jobs]
        if len(acks) > 1 or acks[0].state is not State.COMPLETED:
            acks = await self._settlement.all_examined(jobs, acks)
        reports = told(jobs, once(acks) if len(acks) > 1 else acks, span)
        if transaction is None or not transaction.used:
            return reports
        if ended.run.abandoned:  # whoever was left behind may hold the connection as long as he likes
            spawn(self._transactions.discard(transaction), name=f"rollback of {handler.kind}")
            return reports
        return await self._close(transaction, ended, reports)

    async def _attempt(
        self, handler: Handler, jobs: Sequence[Job[bytes]], transaction: Any, cancelled: Callable[[], bool]
    ) -> _Ended:
        invalid: dict[int, Outcome] = {}
        run = self._settlement.call(handler, jobs, self._clock())
        try:
            call = self._prepare(handler, run, invalid, transaction, cancelled)
            if call is None:
                return _Ended(handler, run, self._settlement, invalid, run.started)
            outside = self._runs.enter(run)
            try:
                value = await self._executor.run(call, is_async=handler.is_async, run=run)
            finally:
                self._runs.leave(run, outside)
        except RunEnded as asked:
            outcome = asked.why
        except Raised as raised:
            outcome = Failed(raised.error)
        except asyncio.CancelledError as error:
            if _asked_to_end():
                raise
            outcome = Failed(error)  # something that the handler awaited was cancelled, not this run
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the one place where whatever a handler raises becomes an outcome
            outcome = error if isinstance(error, Outcome) else Failed(error)
        else:
            valid = [job for job in jobs if job.id not in invalid] if invalid else jobs
            outcomes = _outcomes(handler, valid, value)
            outcomes.update(invalid)
            return _Ended(handler, run, self._settlement, _wanted(run, outcomes), self._clock())
        outcomes = {job.id: invalid.get(job.id, outcome) for job in jobs}
        return _Ended(handler, run, self._settlement, _wanted(run, outcomes), self._clock(), raised=True)

    def _prepare(
        self,
        handler: Handler,
        run: Run,
        invalid: dict[int, Outcome],
        transaction: Any,
        cancelled: Callable[[], bool],
    ) -> Callable[[], Any] | None:
        """Return the call that starts the handler; None where there is nothing to call it with, `invalid` says of each why."""
        context = _context(run, transaction, cancelled) if handler.wants_context else None
        call: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        typed: list[Job[Any]] = []
        for job in run.jobs:
            try:
                if isinstance(job.meta, DamagedMeta):
                    raise InvalidJob("its meta cannot be read", hint="something other than Tidegate has written into its row")
                call = handler.signature.decode(job.args)
            except InvalidJob as error:
                invalid[job.id] = Invalid(error)
            else:
                if handler.batch:
                    typed.append(replace(job, args=call[0][0]))
        if call is None:
            return None
        args, kwargs = ((typed,), {}) if handler.batch else call
        return partial(handler.invoke, args, kwargs, context)

    async def _close(self, transaction: Any, ended: _Ended, reports: list[Report]) -> list[Report]:
        """End the handler's transaction: a returned outcome commits with its ack, a raised one rolls back and is acked outside."""
        jobs = ended.run.jobs
        try:
            if ended.raised:
                await self._transactions.discard(transaction)
                return reports
            now = self._clock()
            acks = [report.ack for report in reports]
            applied = await self._transactions.finish(transaction, acks, node=self._node, now=now)
        except (
            DatabaseUnreachable
        ) as error:  # did the commit land? the ack of failure finds out: it matches only if it did not (A4)
            acks = await self._settlement.all_examined(jobs, [self._ack(ended, job, Failed(error)) for job in jobs])
            return [Report(job, ack, unsure=True) for job, ack in zip(jobs, acks, strict=True)]
        if applied is None:
            if len(reports) == 1:
                return [replace(reports[0], lost=True)]
            return [Report(r.job, self._ack(ended, r.job, Released("a job of its batch had lost its lease"))) for r in reports]
        states = {row.job_id: State(row.state) for row in applied}
        return [replace(report, settled=states[report.job.id]) for report in reports]

    def _ack(self, ended: _Ended, job: Job[bytes], outcome: Outcome | None = None) -> Ack:
        return self._settlement.ack(
            job,
            outcome or ended.outcomes[job.id],
            ended=ended.at,
            duration=ended.at - ended.run.started,
            handler=ended.handler,
            account=ended.account,
            output=ended.output,
        )


def told(jobs: Sequence[Job[bytes]], acks: Sequence[Ack], span: Span | None) -> list[Report]:
    """Return the reports of a run that came to these acks, which then know their span."""
    if span is not None:
        acks = span.told(jobs, acks)
    return [Report(jobs[0], acks[0])] if len(jobs) == 1 else [Report(job, ack) for job, ack in zip(jobs, acks, strict=True)]


def _outcomes(handler: Handler, jobs: Sequence[Job[bytes]], value: Any) -> dict[int, Outcome]:
    """Read what a handler returned: its value, an outcome, or, from a batch, a mapping that decides job by job."""
    if not handler.batch:
        return {jobs[0].id: value if isinstance(value, Outcome) else Done(value)}
    if value is None:
        return {job.id: Done() for job in jobs}
    if isinstance(value, Outcome):
        return {job.id: value for job in jobs}
    if not isinstance(value, Mapping):
        wrong = Failed(
            f"{handler.kind} returned {type(value).__name__}; a batch handler returns None or a mapping of job id to outcome"
        )
        return {job.id: wrong for job in jobs}
    missing = Failed(f"{handler.kind} returned no outcome for this job of its batch")
    decided = {job.id: value.get(job.id, missing) for job in jobs}
    return {job_id: outcome if isinstance(outcome, Outcome) else Done(outcome) for job_id, outcome in decided.items()}


def _wanted(run: Run, outcomes: dict[int, Outcome]) -> dict[int, Outcome]:
    """Return what the jobs came to: one that somebody cancelled is done or cancelled, and never tried again."""
    for job_id in run.unwanted:
        if not isinstance(outcomes[job_id], Done):
            outcomes[job_id] = Cancelled()
    return outcomes


def _context(run: Run, transaction: Any, cancelled: Callable[[], bool]) -> JobContext:
    def connection() -> Any:
        if run.abandoned:
            raise Refused("this run did not end when it was asked to, and was given up: nothing that it does counts any more")
        return transaction.connection

    def is_to_end() -> bool:
        if cancelled():
            run.noticed = True
        return run.notice()

    return JobContext(run.first, connection=None if transaction is None else connection, cancelled=is_to_end)


def _asked_to_end() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs: a plain function in a process of its own
        return False
    return task is not None and task.cancelling() > 0
