"""Jobs whose dependency the test switches off and on: it is down while the file beside TRACE_FILE called `down` exists."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.support.jobs import trace
from tidegate import JobContext, RateLimited, constant, job


def is_down() -> bool:
    return Path(os.environ["TRACE_FILE"]).with_name("down").exists()


@job(queue="email", circuit="relay", max_attempts=100, backoff=constant(0.02))
async def send(n: int) -> None:
    """Fail while the relay is down, after a moment."""
    trace(f"send {n}")
    if is_down():
        await asyncio.sleep(0.02)
        raise ConnectionRefusedError("the relay is down")


@job(queue="email", circuit=False)
async def other(n: int) -> None:
    trace(f"other {n}")


@job(queue="email", circuit=False)
async def other_until(n: int, file: str) -> None:
    trace(f"other {n}")
    while not Path(file).exists():  # noqa: ASYNC110, ASYNC240 - a test makes it
        await asyncio.sleep(0.01)


@job(queue="email", circuit="relay", max_attempts=100, backoff=constant(0.02))
async def slow_send(n: int, seconds: float = 0.05) -> None:
    trace(f"begin {n}")
    await asyncio.sleep(seconds)
    trace(f"end {n}")


@job(queue="email", circuit="relay", max_attempts=100, backoff=constant(0.02))
async def send_when_told(n: int) -> None:
    """End once the file beside TRACE_FILE called `go` exists."""
    trace(f"begin {n}")
    while not Path(os.environ["TRACE_FILE"]).with_name("go").exists():  # noqa: ASYNC110 - the test is another process, or might be
        await asyncio.sleep(0.02)
    trace(f"end {n}")


@job(queue="email", circuit="limited")
async def limited(n: int) -> None:
    trace(f"limited {n}")
    if is_down():
        raise RateLimited(3600)


@job(queue="email", circuit="committing", max_attempts=100, backoff=constant(0.02))
async def committing(n: int, context: JobContext) -> None:
    """Write through the job's own transaction."""
    from sqlalchemy import text

    trace(f"committing {n}")
    await context.connection.execute(text("SELECT 1"))


@job(queue="forked", circuit="forked", max_attempts=100, backoff=constant(0.02))
def in_a_process(n: int) -> None:
    trace(f"process {n}")
    if is_down():
        raise ConnectionRefusedError("the relay is down")
