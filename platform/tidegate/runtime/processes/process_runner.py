"""Runs one consumer's calls in a process of its own, and judges what the process cannot tell itself any more.

The process is kept warm: whoever ended it, a job, its time-out, the kernel or an operator, it is replaced at once, which costs the
consumer a moment and nobody else anything. A job whose process ended under it has crashed; one that the process had not begun to
read is given back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from random import Random
from typing import TYPE_CHECKING, Final

from tidegate.circuit.judge import once
from tidegate.errors import UnknownKind
from tidegate.events import Event, Restarted
from tidegate.handlers import Handler, Handlers
from tidegate.jobs import Cancelled, Crashed, Invalid, Job, Outcome, Released, State, TimedOut
from tidegate.lifecycle import Ack
from tidegate.plurals import noun
from tidegate.runtime.describing import Account
from tidegate.runtime.places import InProcess
from tidegate.runtime.processes import verdicts, wire
from tidegate.runtime.processes.consumer_process import WARM_TIMEOUT, ConsumerProcess
from tidegate.runtime.run_log import share
from tidegate.runtime.runner import Report, loop_time, told
from tidegate.runtime.runs import Run, Runs
from tidegate.runtime.settlement import Settlement
from tidegate.settings import QueueSettings
from tidegate.spans import carried
from tidegate.supervision import (
    Child,
    ChildNotFound,
    ChildSpec,
    DynamicSupervisor,
    FailedToStart,
    NotRunning,
    Restart,
    Shutdown,
    spawn,
)
from tidegate.supervision.capture import Captured

if TYPE_CHECKING:
    from tidegate.spans.recorder import Recorder
    from tidegate.spans.recorder import Run as Span

__all__ = ["ProcessRunner"]

logger = logging.getLogger("tidegate.processes")

GRACE: Final = 1.0  # seconds from the last word of a process to its end; one that takes longer has hung up and runs on
OOM_AGE: Final = 10.0  # seconds for which the count of the kernel's kills counts as that of before the call


class ProcessRunner:
    """`JobRunner` for one consumer. `start` before the first call, `renew` after each, `stop` or `kill` at the end."""

    def __init__(
        self,
        name: str,
        queue: QueueSettings,
        order: wire.Order,
        *,
        handlers: Handlers,
        settlement: Settlement,
        processes: DynamicSupervisor,
        runs: Runs,
        emit: Callable[[Event], None],
        rng: Random,
        spans: Recorder | None = None,
    ) -> None:
        self.name = name
        self._queue = queue
        self._order = order
        self._handlers = handlers
        self._settlement = settlement
        self._processes = processes
        self._runs = runs
        self._emit = emit
        self._rng = rng
        self._spans = spans
        self._process: ConsumerProcess | None = None
        self._starting = asyncio.Lock()
        self._busy = False
        self._over = False
        self._why: Outcome | None = None
        """What a call that is being ended will have come to."""
        self._timers: list[asyncio.TimerHandle] = []
        self._oom: tuple[float, int | None] = (-OOM_AGE, None)

    @property
    def pid(self) -> int | None:
        """The process's id, where there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Return once a process is warm; `FailedToStart` where that cannot be."""
        await self._warm()

    async def stop(self) -> None:
        """End the process, which has nothing to do."""
        self._over = True
        await self._terminate()

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._over = True
        if self._process is not None:
            self._process.kill()

    async def renew(self) -> None:
        """Replace a process that ended, or that is worn; return once one is warm."""
        process = self._process
        if self._over or process is None:
            return
        if not process.alive:
            self._emit(Restarted(self.name))
        elif why := process.worn(max_jobs=self._queue.max_jobs, max_memory=self._queue.max_memory):
            logger.info("%s: process %s has run %s and is replaced: %s", self.name, process.pid, noun(process.jobs, "job"), why)
            await self._terminate()
        else:
            return
        await self._warm()

    def batches(self, jobs: Sequence[Job[bytes]]) -> list[list[Job[bytes]]]:
        """See `JobRunner.batches`."""
        return self._settlement.batches(jobs)

    @property
    def turn_ends(self) -> float:
        """See `JobRunner.turn_ends`: it does not take the loop."""
        return inf

    @property
    def full(self) -> bool:
        """See `JobRunner.full`: a process that does not end is killed, and `renew` has seen to the next one."""
        return False

    async def room(self) -> None:
        """See `JobRunner.room`."""

    async def run(self, jobs: Sequence[Job[bytes]], cancelled: Callable[[], bool]) -> list[Report]:  # noqa: ARG002 - see `cancel`
        """See `JobRunner.run`. Being cancelled kills the process."""
        if self._spans is None:
            return await self._run(jobs, None)
        with self._spans.process(jobs) as span:
            return await self._run(jobs, span)

    async def _run(self, jobs: Sequence[Job[bytes]], span: Span | None) -> list[Report]:
        try:
            handler = self._handlers.resolve(jobs[0].kind)
        except UnknownKind as error:
            invalid = [self._settlement.ack(job, Invalid(error), ended=loop_time()) for job in jobs]
            return told(jobs, await self._settlement.all_examined(jobs, invalid), span)
        process = await self._warm()
        self._busy, self._why = True, None
        self._count_oom_kills()
        try:
            with self._runs.running(self._settlement.call(handler, jobs, loop_time())) as call:
                reports = await self._call(process, handler, call)
        except asyncio.CancelledError:
            process.kill()
            raise
        finally:
            self._busy = False
            while self._timers:
                self._timers.pop().cancel()
        acks = await self._settlement.all_examined(jobs, [report.ack for report in reports])
        if span is not None:
            acks = list(span.told(jobs, acks))
        return [replace(report, ack=ack) for report, ack in zip(reports, acks, strict=True)]

    def cancel(self) -> None:
        """Have the call under way end: it is told, then its process is asked, then killed, `kill_after` seconds in between."""
        if self._busy and self._process is not None and self._why is None:
            self._process.channel.send(wire.CANCEL)
            self._end_later(self._queue.kill_after, self._process, Cancelled())

    async def _call(self, process: ConsumerProcess, handler: Handler, call: Run) -> list[Report]:
        jobs = call.jobs
        call.places.append(InProcess(process))
        call.when_asked(partial(self._asked, call, process))
        process.jobs += len(jobs)
        process.capture.clear()
        process.channel.send(wire.write_jobs(jobs, carried()))
        answer = await process.channel.receive()
        ended = loop_time()
        fault = await self._ended(process) if answer is None or self._why is not None else ""
        captured = process.capture.take()
        try:
            reports = self._told(answer, jobs, ended)
        except (ValueError, TypeError, LookupError):  # a handler wrote to a descriptor that is not its own
            process.kill()
            await process.join()
            reports, fault = None, verdicts.NO_ANSWER
        if reports is None:
            outcome = self._judge(answer, process, captured, fault=fault, alone=len(jobs) == 1)
            duration = None if isinstance(outcome, Released) else ended - call.started
            acks = once([self._settlement.ack(job, outcome, ended=ended, duration=duration) for job in jobs])
            doubt = handler.wants_context is not None and answer is None  # its own transaction may have committed its ack
            reports = [Report(job, ack, unsure=doubt) for job, ack in zip(jobs, acks, strict=True)]
        process.spent = process.spent or any(_ran_out(report) for report in reports)
        reports = [self._wanted(report, call) for report in reports] if call.unwanted else reports
        account = self._settlement.account(jobs)
        output = share(account.clean(captured.output), len(jobs), self._queue.max_log) if captured.output else None
        return [replace(report, ack=self._kept(report.ack, account, output)) for report in reports]

    def _asked(self, call: Run, process: ConsumerProcess) -> None:
        if isinstance(call.why, TimedOut):
            self._end(process, call.why)
        else:
            self.cancel()

    def _wanted(self, report: Report, call: Run) -> Report:
        """Return the report of a job that somebody may have cancelled: then it is done or cancelled, and never tried again."""
        ack = report.ack
        if report.job.id not in call.unwanted or report.settled or report.lost or ack.state is State.COMPLETED:
            return report
        return replace(report, ack=self._settlement.ack(report.job, Cancelled(), ended=ack.ended, duration=ack.duration))

    def _told(self, answer: bytes | None, jobs: Sequence[Job[bytes]], ended: float) -> list[Report] | None:
        """Return what the process said of each job; None where it said nothing, or too late to count."""
        if answer is None or answer == wire.CANCELLED:
            return None
        said = wire.read_answer(answer, jobs, ended=ended)
        for event in said.enqueued:
            self._emit(event)
        counts = said.last_word or any(report.settled or report.lost or report.unsure for report in said.reports)
        if self._why is not None and not counts:
            return None
        return [
            replace(report, ack=verdicts.explained(report.ack, self._queue.memory)) if report.ack.failure else report
            for report in said.reports
        ]

    def _judge(self, answer: bytes | None, process: ConsumerProcess, captured: Captured, *, fault: str, alone: bool) -> Outcome:
        if answer == wire.CANCELLED:
            return Cancelled()
        if isinstance(self._why, TimedOut):
            return TimedOut(self._why.after, verdicts.where(captured.words))
        if self._why is not None:
            return self._why
        if process.channel.undelivered:
            return Released("its process ended before it began")
        before, now = self._oom[1], verdicts.oom_kills()
        death = verdicts.Death(
            process.ended.returncode if process.ended is not None else 0,
            process.peak_rss or process.carried_over,
            process.peak_rss is not None,
            captured,
            self._queue.memory,
            oom_kill=before is not None and now is not None and now > before,
            fault=fault,
        )
        return Crashed(verdicts.failure_of(death), alone=alone)

    def _end_later(self, seconds: float, process: ConsumerProcess, why: Outcome) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, self._end, process, why))

    def _end(self, process: ConsumerProcess, why: Outcome) -> None:
        """Ask the process to end, and kill it and its group after `kill_after` seconds."""
        if self._why is None:
            self._why = why
            spawn(process.stop(Shutdown(type(why).__name__), self._queue.kill_after), name=f"{self.name}: {why!r}")

    async def _ended(self, process: ConsumerProcess) -> str:
        """Return when the process has ended; say so where it had hung up before, and had to be killed."""
        try:
            async with asyncio.timeout(GRACE if self._why is None else None):
                await process.join()
        except TimeoutError:
            process.kill()
            await process.join()
            return verdicts.HUNG_UP
        return ""

    @staticmethod
    def _kept(ack: Ack, account: Account, output: str | None) -> Ack:
        """Return an ack with the output that its job keeps; what the process told of a failure is put into its group here."""
        if output is None and ack.failure is None:
            return ack
        return replace(ack, output=output, failure=ack.failure and account(ack.failure))

    async def _warm(self) -> ConsumerProcess:
        async with self._starting:
            if self._process is None or not self._process.alive:
                self._process = await self._begin()
            return self._process

    async def _begin(self) -> ConsumerProcess:
        process = ConsumerProcess(replace(self._order, seed=self._rng.getrandbits(64)), max_output=self._queue.max_log)
        spec = ChildSpec(
            self.name, lambda: process, restart=Restart.TEMPORARY, shutdown=self._queue.kill_after, start_timeout=2 * WARM_TIMEOUT
        )
        starting = spawn(self._processes.start_child(spec), name=f"start of {self.name}")
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            spawn(self._call_off(starting, process), name=f"{self.name}: nobody waits for it any more")
            raise
        logger.debug("%s: process %s is warm; it imported the jobs in %.2f s", self.name, process.pid, process.facts["imported"])
        spawn(self._watch(process), name=f"{self.name}: process {process.pid}")
        return process

    async def _call_off(self, starting: asyncio.Task[Child], process: ConsumerProcess) -> None:
        for _ in range(2):  # the request may have been waiting still, and then the process came up meanwhile
            with suppress(ChildNotFound, NotRunning):
                await self._processes.terminate_child(process)
            with suppress(FailedToStart, NotRunning):
                await starting

    async def _watch(self, process: ConsumerProcess) -> None:
        """Replace a process that ends while it has nothing to do: the next job is not to wait for that."""
        reason = await process.join()
        if self._over or self._busy or process.spent or process is not self._process:
            return
        how = reason.detail if isinstance(reason, Shutdown) else reason
        logger.warning("%s: process %s ended while idle (%s); it is replaced", self.name, process.pid, how)
        self._emit(Restarted(self.name))
        with suppress(FailedToStart, NotRunning):  # its supervisor has said so, or is ending; the next call tries again
            await self._warm()

    async def _terminate(self) -> None:
        if self._process is not None and self._process.alive:
            self._process.spent = True
            with suppress(ChildNotFound):  # it ended by itself meanwhile
                await self._processes.terminate_child(self._process)

    def _count_oom_kills(self) -> None:
        at = loop_time()
        if at - self._oom[0] >= OOM_AGE:
            self._oom = (at, verdicts.oom_kills())


def _ran_out(report: Report) -> bool:
    failure = report.ack.failure
    return failure is not None and failure.type.endswith("MemoryError")
