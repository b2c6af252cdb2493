"""A handler's coroutine in a task of its own, where it is asked to end before it has begun."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tidegate.jobs import Cancelled, Job
from tidegate.runtime.executors import RunEnded
from tidegate.runtime.executors.coroutine import CoroutineCalls
from tidegate.runtime.runs import Run, Runs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job(1, "q", "m:f", b"{}", 1, None, 0, 1, 1, NOW, NOW, 0.0)


async def test_a_run_that_was_asked_to_end_before_its_first_step_ends_at_once() -> None:
    begun = []

    async def handler() -> None:
        begun.append(True)

    runs = Runs()
    run = Run([JOB], started=0.0, timeout=60.0, kill_after=60.0)
    run.end(Cancelled())
    with pytest.raises(RunEnded) as ended:
        async with asyncio.timeout(30):  # below `kill_after`, with which it would be given up
            CoroutineCalls(runs).begin(handler, run)
    assert isinstance(ended.value.why, Cancelled)
    assert not begun
    assert not run.abandoned
