"""The jobs of a simulation. What they do is told to the world that runs them, which judges it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tidegate.handlers import JobContext, job
from tidegate.jobs import Job, Retry, Snooze

__all__ = ["KINDS", "Stage", "doomed", "flaky", "grouped", "patient", "play_on", "work"]


class Stage(Protocol):
    """Where handlers play."""

    async def run(self, jobs: list[Job[Any]], seconds: float) -> None:
        """Run for so long, as a handler that the world watches."""


_stages: list[Stage] = []


def play_on(stage: Stage) -> None:
    """Let the handlers of this process play on `stage` from now on."""
    _stages[:] = [stage]


@job(queue="light")
async def work(seconds: float, ctx: JobContext) -> None:
    """Do what takes `seconds`."""
    await _stages[0].run([ctx.job], seconds)


@job(queue="light", max_attempts=5)
async def flaky(failures: int, ctx: JobContext) -> None:
    """Fail so many times, then go well."""
    await _stages[0].run([ctx.job], 0.05)
    if ctx.attempt <= failures:
        raise Retry(delay=0.5)


@job(queue="light", max_attempts=2)
async def doomed(ctx: JobContext) -> None:
    """Fail whenever it is tried."""
    await _stages[0].run([ctx.job], 0.05)
    raise ValueError("doomed")


@job(queue="light")
async def patient(ctx: JobContext) -> None:
    """Ask for another time, once."""
    await _stages[0].run([ctx.job], 0.02)
    if ctx.job.lease == 1:
        raise Snooze(1.0)


@dataclass(frozen=True)
class Load:
    """What one job of a group brings."""

    seconds: float


@job(queue="heavy", batch=4)
async def grouped(jobs: list[Job[Load]]) -> None:
    """Do many jobs by one call."""
    await _stages[0].run(list(jobs), max(each.args.seconds for each in jobs))


KINDS = (work, flaky, doomed, patient, grouped)
