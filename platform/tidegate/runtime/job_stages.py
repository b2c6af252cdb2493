"""The stages of a queue's pipeline, between its producer and its consumers.

They fetch nothing ahead: each asks for what its consumers ask for (PartitionStage also for what finds its key busy). What they hold
is claimed, so all of it goes back to the session when they end, when their consumers leave, and in a drain: as any job that was
claimed and not started. A function of the user's that fails costs the attempt of its job, never the stage.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from tidegate.jobs import Failed, Job, Outcome, State, TimedOut
from tidegate.pipelines import BatchBy, PartitionBy
from tidegate.runtime.lanes import Lanes
from tidegate.runtime.queue_session import QueueSession
from tidegate.runtime.settlement import Settlement
from tidegate.stages import Batch, Cancel, Gathering, Relay, Source, SubRef, Subscription, Why
from tidegate.supervision import Reason, contained, spawn

__all__ = ["BatchStage", "JobStage", "Judge", "KeyOf", "PartitionStage", "StepStage", "attempted"]

Claimed: TypeAlias = Job[bytes]
Judge: TypeAlias = Callable[[Claimed], Any]
"""An awaitable of what goes on of a job, or of the outcome that it comes to here."""
KeyOf: TypeAlias = Callable[[Claimed], Hashable]
Out = TypeVar("Out")


async def attempted(call: Callable[..., Any], *args: Any, timeout: float) -> Any:
    """Return what a user's function returns, awaited where need be; what it raises, or a time-out, is an Outcome."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            said = call(*args)
            return await said if inspect.isawaitable(said) else said
    except TimeoutError as error:
        return TimedOut(timeout) if limit.expired() else Failed(error)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - a user's function: whatever it raises is the outcome of its job
        return error if isinstance(error, Outcome) else Failed(error)


class JobStage(Relay[Claimed, Out]):
    """What the stages of a pipeline have in common: where jobs go back to, and how one ends here."""

    def __init__(
        self,
        title: str,
        source: Source[Claimed],
        *,
        session: QueueSession,
        settlement: Settlement,
        timeout: float,
        buffer_size: int | None = 0,
    ) -> None:
        # temporary: a stage that ends takes those behind it along by rest_for_one, not by itself
        super().__init__(Subscription(source, cancel=Cancel.TEMPORARY), buffer_size=buffer_size)
        self._title = title
        self._session = session
        self._settlement = settlement
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._title} demand={self._asked_of_us} held={self.held}>"

    @property
    def held(self) -> int:
        """How many claimed jobs lie in it."""
        return self.buffered

    def describe(self) -> Mapping[str, object]:
        """Return the stage's state for introspection."""
        return {**super().describe(), "name": self._title, "held": self.held}

    def on_undelivered(self, events: Sequence[Any], why: Why) -> None:
        """Give back what no consumer will run: jobs, and the jobs of batches."""
        for event in events:
            self._session.release(event.events if isinstance(event, Batch) else [event], why)

    async def end_job(self, job: Claimed, outcome: Outcome) -> None:
        """Report what a job came to without being run: one that is cancelled here never started, so no attempt is charged."""
        ack = self._settlement.ack(job, outcome, ended=asyncio.get_running_loop().time())
        if ack.state is State.CANCELLED:
            ack = replace(ack, charged=False)
        self._session.report(await self._settlement.examined(job, ack))
        if self._session.is_full:
            await self._session.room()


class StepStage(JobStage[Claimed]):
    """Has each job judged, up to `at_once` at a time: it goes on, perhaps as another one, or it has come to its outcome.

    `in_order`: jobs go on in the order in which they came, however long each one took.
    """

    def __init__(self, title: str, source: Source[Claimed], judge: Judge, *, at_once: int, in_order: bool, **parts: Any) -> None:
        super().__init__(title, source, **parts)
        self._judge = judge
        self._in_order = in_order
        self._places = asyncio.Semaphore(at_once)
        self._judging: dict[asyncio.Task[Any], Claimed] = {}

    @property
    def held(self) -> int:
        """How many claimed jobs lie in it."""
        return self.buffered + len(self._judging)

    def wants(self) -> int:
        """Return what is wanted of it and is not being judged."""
        return max(self._asked_of_us - len(self._judging), 0)

    async def handle_events(self, events: Sequence[Claimed], sub: SubRef) -> Sequence[Claimed]:  # noqa: ARG002 - there is one
        """Begin to judge."""
        for job in events:
            task = spawn(contained(self._judged, job), name=f"{self._title} judges job {job.id}")
            self._judging[task] = job
            task.add_done_callback(lambda _: self._post(self._on_judged))
        return ()

    def give_back(self) -> None:
        """Judge no more; give back what was being judged."""
        judging, self._judging = self._judging, {}
        for task in judging:
            task.cancel()
        self._session.release(list(judging.values()), "no consumer waits for it")

    async def _judged(self, job: Claimed) -> Any:
        async with self._places:
            return await self._judge(job)

    async def _on_judged(self, _: None, __: None) -> None:
        for task in list(self._judging):
            if task.done():
                await self._go_on(self._judging.pop(task), task)
            elif self._in_order:
                break
        await self.balance()

    async def _go_on(self, job: Claimed, task: asyncio.Task[Any]) -> None:
        said = Failed(asyncio.CancelledError()) if task.cancelled() else task.result()
        if isinstance(said, Outcome):
            await self.end_job(job, said)
        else:
            self.emit([said])

    def _close(self, reason: Reason) -> None:
        self.give_back()
        super()._close(reason)


class BatchStage(JobStage[Batch[Claimed]]):
    """Gathers jobs into batches of one kind and one key, as many as consumers wait for; a batch is one event."""

    def __init__(self, title: str, source: Source[Claimed], step: BatchBy, key: KeyOf, **parts: Any) -> None:
        super().__init__(title, source, buffer_size=None, **parts)
        self._size = step.size
        self._key = key
        self._keys: dict[int, Hashable] = {}
        self._gathering: Gathering[Claimed] = Gathering(size=step.size, timeout=step.timeout, key=lambda job: self._keys[job.id])
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """How many claimed jobs lie in it."""
        return len(self._gathering)

    def wants(self) -> int:
        """Return what fills the batches that are waited for."""
        return max(self._asked_of_us * self._size - len(self._gathering), 0)

    async def handle_events(self, events: Sequence[Claimed], sub: SubRef) -> Sequence[Batch[Claimed]]:  # noqa: ARG002 - there is one
        """Gather; return what is complete. Where no more may come before a batch goes, the oldest one goes."""
        fit = [job for job in events if await self._has_key(job)]
        done = self._gathering.add(fit, asyncio.get_running_loop().time())
        while len(done) < self._asked_of_us and len(self._gathering) >= (self._asked_of_us - len(done)) * self._size:
            done += self._gathering.flush_oldest()
        return self._complete(done)

    def give_back(self) -> None:
        """Give back what is gathered, and the batches that nobody took."""
        self._set_alarm(None)
        self.on_undelivered([*self._buffer.clear()[0], *self._complete(self._gathering.flush())], Why.CANCELLED)

    async def _has_key(self, job: Claimed) -> bool:
        said = await attempted(self._key, job, timeout=self._timeout)
        if isinstance(said, Outcome):
            await self.end_job(job, said)
            return False
        self._keys[job.id] = (job.kind, said)
        return True

    def _complete(self, batches: Sequence[Batch[Claimed]]) -> Sequence[Batch[Claimed]]:
        for batch in batches:
            for job in batch:
                del self._keys[job.id]
        self._set_alarm(self._gathering.next_due())
        return batches

    def _set_alarm(self, due: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if due is None else asyncio.get_running_loop().call_at(due, self._post, self._on_alarm)

    async def _on_alarm(self, _: None, __: None) -> None:
        due = self._complete(self._gathering.due(asyncio.get_running_loop().time()))
        wanted = self._asked_of_us
        self.emit(due[:wanted])
        self.on_undelivered(due[wanted:], Why.CANCELLED)  # no consumer waits for them: another node may have one that does
        await self.balance()

    def _close(self, reason: Reason) -> None:
        self.give_back()
        super()._close(reason)


class PartitionStage(JobStage[Claimed]):
    """Lets one job of each key through at a time; the next one when the ack of the one before is in the table."""

    def __init__(self, title: str, source: Source[Claimed], step: PartitionBy, key: KeyOf, **parts: Any) -> None:
        super().__init__(title, source, **parts)
        self._ahead = step.ahead
        self._key = key
        self._lanes: Lanes[Claimed] = Lanes()
        self._keys: dict[int, Hashable] = {}  # of the jobs that were let through and have not ended
        self._ready: deque[Claimed] = deque()

    @property
    def held(self) -> int:
        """How many claimed jobs lie in it."""
        return len(self._ready) + len(self._lanes)

    def wants(self) -> int:
        """Return what is wanted of it and is not ready; nothing while it holds as much as it may for busy keys."""
        return max(self._asked_of_us - len(self._ready), 0) if len(self._lanes) < self._ahead else 0

    async def init(self) -> None:
        """Hear of the ends of jobs from here on."""
        self._session.tell_of_ends(self._post_end)

    async def handle_events(self, events: Sequence[Claimed], sub: SubRef) -> Sequence[Claimed]:  # noqa: ARG002 - there is one
        """Return what may run now."""
        for job in events:
            said = await attempted(self._key, job, timeout=self._timeout)
            if isinstance(said, Outcome):
                await self.end_job(job, said)
            else:
                self._let_through(said, self._lanes.add(said, job))
        return self._take_ready()

    def give_back(self) -> None:
        """Give back what waits, for its key or for a consumer."""
        ready, self._ready = self._ready, deque()
        waiting = self._lanes.clear()
        for job in ready:
            self._lanes.done(self._keys.pop(job.id))
        self._session.release([*ready, *waiting], "no consumer waits for it")

    async def _demand(self, upstream: int) -> None:
        await super()._demand(upstream)
        self.emit(self._take_ready())

    def _post_end(self, job: Claimed) -> None:
        self._post(self._on_end_of, None, job)

    async def _on_end_of(self, _: None, job: Claimed) -> None:
        if job.id in self._keys:
            key = self._keys.pop(job.id)
            self._let_through(key, self._lanes.done(key))
            self.emit(self._take_ready())
        await self.balance()

    def _let_through(self, key: Hashable, jobs: Sequence[Claimed]) -> None:
        for job in jobs:
            self._keys[job.id] = key
            self._ready.append(job)

    def _take_ready(self) -> list[Claimed]:
        return [self._ready.popleft() for _ in range(min(self._asked_of_us, len(self._ready)))]

    def _close(self, reason: Reason) -> None:
        self.give_back()
        super()._close(reason)
