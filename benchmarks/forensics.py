"""What a death costs its node: `python benchmarks/forensics.py`.

The forensics of a job beyond the one look at the queues that all deaths share: first when machine and process are read anew, then
when the reading of a moment ago serves. And what a failed attempt costs, dying or not: its description and its fingerprint.
"""

import asyncio
import platform
import statistics
import sys
import time
from datetime import UTC, datetime

from tidegate.events import JobEnded
from tidegate.fingerprint import Application
from tidegate.jobs import Failure, Job, State, Word
from tidegate.runtime.describing import Describer
from tidegate.runtime.error_tracker import ErrorTracker
from tidegate.runtime.forensics import Forensics
from tidegate.runtime.versions import Versions
from tidegate.store.protocol import QueueCounts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUEUES = [f"queue-{n}" for n in range(20)]
ROUNDS = 500
LIMIT = 5.0  # milliseconds


class Table:
    """A store whose answers cost nothing: what it takes is the snapshot's part."""

    async def now(self):
        return NOW

    async def snapshot(self, queues):
        return [QueueCounts(queue, 10, 1_000, 10, 1.0, paused=False) for queue in queues]


def job(n):
    args = b'{"kwargs": {"user_id": 1, "password": "correct horse"}}'
    return Job(n, "queue-1", "myshop.jobs:send", args, 3, 3, 0, 1, 1, NOW, NOW, 0.0)


def percentiles(seconds):
    ordered = sorted(seconds)
    return f"median {statistics.median(ordered) * 1e3:.2f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.2f} ms"


async def deaths(forensics, *, anew):
    taken = []
    for n in range(ROUNDS):
        if anew:
            forensics._reading = None  # noqa: SLF001 - as when the last death was long ago
        started = time.perf_counter()
        await forensics.examine(job(n), {})
        taken.append(time.perf_counter() - started)
    return taken


def fails(depth, user):
    if depth:
        fails(depth - 1, user)
    raise ValueError(f"user {user} could not be reached with correct horse")


def attempts():
    describer = Describer(Application(["__main__"]))
    taken = []
    for n in range(ROUNDS):
        try:
            fails(10, n)
        except ValueError as error:
            started = time.perf_counter()
            describer.account("myshop.jobs:send", None, [job(n)])(error)
            taken.append(time.perf_counter() - started)
    return taken


async def main():
    print(f"Python {platform.python_version()} on {platform.machine()}")
    errors = ErrorTracker()
    for n in range(1_000):
        errors.on_event(
            JobEnded("queue-1", f"kind-{n % 7}", n, 1, Word.FAILED, State.SCHEDULED, 0.1, Failure("E", "m", fingerprint="f"))
        )
    pools = {queue: {"alive": 5, "busy": 5, "target": 5} for queue in QUEUES}
    forensics = Forensics(
        store=Table(),
        queues=QUEUES,
        fresh=3600,
        node=lambda: "n1",
        pools=lambda: pools,
        known=lambda: None,
        errors=errors,
        versions=Versions("0", "3", None),
    )
    await forensics.examine(job(0), {})
    lone = await deaths(forensics, anew=True)
    print(f"forensics of a lone death:           {percentiles(lone)}")
    print(f"forensics of a death among others:   {percentiles(await deaths(forensics, anew=False))}")
    print(f"description of a failed attempt:     {percentiles(attempts())}")
    if statistics.median(lone) * 1e3 > LIMIT:
        sys.exit(f"the forensics of a death take more than {LIMIT:g} ms")


if __name__ == "__main__":
    asyncio.run(main())
