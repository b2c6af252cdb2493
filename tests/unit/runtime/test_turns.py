"""Consumers whose jobs wait for nothing share the loop with everybody else: the one that is on lets others run after a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tidegate.jobs import Job
from tidegate.runtime.executors import LoopExecutor, ThreadExecutor
from tidegate.runtime.job_consumer import JobConsumer
from tidegate.runtime.runs import CURRENT, Run, Runs
from tidegate.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING: Any = SimpleNamespace(
    unwanted=(),
    is_full=False,
    started=lambda _job, _now: 0.0,
    allows_start=lambda: True,
    gating=False,
)


class OneByOne:
    """A runner that only calls."""

    full = False

    def __init__(self, handler: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._handler = handler
        self._runs = Runs()
        self._executor = LoopExecutor(ThreadExecutor("none", self._runs, spare=1), self._runs)

    @property
    def turn_ends(self) -> float:
        return self._executor.turn_ends

    def batches(self, jobs: Sequence[Job[bytes]]) -> list[list[Job[bytes]]]:
        return [[job] for job in jobs]

    async def room(self) -> None:
        raise AssertionError("there is always a place")

    async def run(self, jobs: Sequence[Job[bytes]], cancelled: Callable[[], bool]) -> list[Any]:
        run = Run(jobs, 0.0, 60.0, 60.0)
        with self._runs.running(run):
            await self._executor.run(self._handler, is_async=True, run=run)
        return []


def a_consumer(number: int, runner: OneByOne) -> JobConsumer:
    queue = Settings(queues={"q": {"demand": {"max": 100}}}).queue("q")
    return JobConsumer(
        number, queue, NOTHING, session=NOTHING, runner=runner, lease=NOTHING, circuits=NOTHING, emit=print, ran=lambda *_: None
    )


def jobs(n: int) -> list[Job[bytes]]:
    return [Job(number, "q", "m:f", b"{}", 1, None, 0, 1, number, NOW, NOW, 0.0) for number in range(n)]


async def turns_during(work: Coroutine[Any, Any, Any]) -> int:
    """Return how often the loop turned for others while `work` was done."""
    turns = 0
    task = asyncio.create_task(work)
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    await task
    return turns


async def test_a_consumer_lets_others_run_when_its_turn_is_over() -> None:
    async def takes_a_millisecond() -> None:
        time.sleep(0.001)  # noqa: ASYNC251 - the fault that is tested

    consumer = a_consumer(1, OneByOne(takes_a_millisecond))
    assert await turns_during(consumer.handle_events(jobs(20), NOTHING)) >= 20


async def test_consumers_share_one_turn() -> None:
    """Whoever comes when the turn is over runs one job and lets others run: many consumers do not make a turn long."""
    order: list[int] = []

    async def longer_than_a_turn() -> None:
        run = CURRENT.get()
        assert run is not None
        order.append(run.first.id // 5)
        time.sleep(0.0005)  # noqa: ASYNC251 - so that a turn is over after it

    runner, all_jobs = OneByOne(longer_than_a_turn), jobs(20)
    consumers = [a_consumer(number, runner) for number in range(4)]
    await asyncio.gather(*(each.handle_events(all_jobs[5 * at : 5 * at + 5], NOTHING) for at, each in enumerate(consumers)))
    assert order == [0, 1, 2, 3] * 5


async def test_quick_jobs_are_run_one_after_the_other_within_a_turn() -> None:
    async def waits_for_nothing() -> None: ...

    consumer = a_consumer(1, OneByOne(waits_for_nothing))
    turns = [await turns_during(consumer.handle_events(jobs(100), NOTHING)) for _ in range(5)]
    assert min(turns) < 100
