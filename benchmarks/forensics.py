"""What a death costs its node: `python benchmarks/forensics.py`.

The forensics of a job beyond the one look at the queues that all deaths share: first when machine and process are read anew, then
when the reading of a moment ago serves. And what a failed attempt costs, dying or not: its description and its fingerprint.
The cost is processor time of the event loop; the clock on the wall beside it also has the waits for a processor on a busy machine.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from ground import Size, machine, parser

from tidegate.events import JobEnded
from tidegate.fingerprint import Application
from tidegate.jobs import Failure, Job, State, Word
from tidegate.runtime.describing import Describer
from tidegate.runtime.error_tracker import ErrorTracker
from tidegate.runtime.forensics import Forensics
from tidegate.runtime.versions import Versions
from tidegate.store.protocol import QueueCounts, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUEUES = [f"queue-{n}" for n in range(20)]
LIMIT = 5.0  # milliseconds


class Table:
    """A store whose answers cost nothing: what it takes is the snapshot's part."""

    async def now(self) -> datetime:
        return NOW

    async def snapshot(self, queues: Sequence[str]) -> list[QueueCounts]:
        return [QueueCounts(queue, 10, 1_000, 10, 1.0, paused=False) for queue in queues]


def job(n: int) -> Job[bytes]:
    args = b'{"kwargs": {"user_id": 1, "password": "correct horse"}}'
    return Job(n, "queue-1", "myshop.jobs:send", args, 3, 3, 0, 1, 1, NOW, NOW, 0.0)


class Stopwatch:
    """The rounds of one thing, by processor and by wall."""

    def __init__(self) -> None:
        self.processor: list[float] = []
        self.wall: list[float] = []

    def __enter__(self) -> None:
        self._started = time.thread_time(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.processor.append(time.thread_time() - self._started[0])
        self.wall.append(time.perf_counter() - self._started[1])

    @property
    def p99(self) -> float:
        """Milliseconds of processor time."""
        return sorted(self.processor)[int(len(self.processor) * 0.99)] * 1e3

    def __str__(self) -> str:
        return (
            f"median {statistics.median(self.processor) * 1e3:.2f} ms, p99 {self.p99:.2f} ms; by the wall {percentiles(self.wall)}"
        )


def percentiles(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1e3:.2f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.2f} ms"


async def deaths(forensics: Forensics, rounds: int, *, anew: bool) -> Stopwatch:
    watch = Stopwatch()
    for n in range(rounds):
        if anew:
            forensics._reading = None  # noqa: SLF001 - as when the last death was long ago
        with watch:
            await forensics.examine(job(n), {})
    return watch


def fails(depth: int, user: int) -> None:
    if depth:
        fails(depth - 1, user)
    raise ValueError(f"user {user} could not be reached with correct horse")


def attempts(rounds: int) -> Stopwatch:
    describer = Describer(Application(["__main__"]))
    watch = Stopwatch()
    for n in range(rounds):
        try:
            fails(10, n)
        except ValueError as error:
            with watch:
                describer.account("myshop.jobs:send", None, [job(n)])(error)
    return watch


async def main() -> None:
    size = parser(__doc__).parse_args().size
    rounds = size.pick(500, 500, 50)
    print(machine())
    errors = ErrorTracker()
    for n in range(1_000):
        errors.on_event(
            JobEnded("queue-1", f"kind-{n % 7}", n, 1, Word.FAILED, State.SCHEDULED, 0.1, Failure("E", "m", fingerprint="f"))
        )
    pools: dict[str, Any] = {queue: {"alive": 5, "busy": 5, "target": 5} for queue in QUEUES}
    forensics = Forensics(
        store=cast("Store", Table()),
        queues=QUEUES,
        fresh=3600,
        node=lambda: "n1",
        pools=lambda: pools,
        known=lambda: None,
        errors=errors,
        versions=Versions("0", "3", None),
    )
    await forensics.examine(job(0), {})
    lone = await deaths(forensics, rounds, anew=True)
    print(f"forensics of a lone death:           {lone}")
    print(f"forensics of a death among others:   {await deaths(forensics, rounds, anew=False)}")
    print(f"description of a failed attempt:     {attempts(rounds)}")
    if lone.p99 > LIMIT and size is not Size.SMOKE:
        sys.exit(f"the forensics of a death take more than {LIMIT:g} ms")


if __name__ == "__main__":
    asyncio.run(main())
