"""What a job prints and logs on the node's loop and in its threads is kept with its attempt, each job's own and no other's."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO

import pytest

from tests.support import jobs
from tests.support.stand import Stand
from tidegate.observe.logs import JobLog, keep_job_logs
from tidegate.observe.prints import job_prints_kept
from tidegate.runtime.runs import CURRENT


@asynccontextmanager
async def node_on(stand: Stand) -> AsyncIterator[None]:
    """Have a node that keeps what jobs write; inside a test, for pytest has streams of its own for its fixtures."""
    root = logging.getLogger()
    with job_prints_kept():
        keep_job_logs()
        try:
            async with stand.node():
                yield
        finally:
            for each in [each for each in root.handlers if isinstance(each, JobLog)]:
                root.removeHandler(each)


def output(stand: Stand, job_id: int) -> list[str]:
    [row] = stand.rows("SELECT output FROM tidegate.attempts WHERE job_id = %s", job_id)
    return [line[25:] if " warning " in line else line for line in row["output"].splitlines()]


async def test_what_a_coroutine_writes_is_kept_with_its_attempt(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    async with node_on(stand):
        one, other = await stand.tide.enqueue(jobs.speaks, "one"), await stand.tide.enqueue(jobs.speaks, "other")
        await stand.end(one)
        await stand.end(other)
    for job_id, words in ((one, "one"), (other, "other")):
        lines = [f"printed {words}", f"complained {words}", f"warning shop: logged {words}", f"in a thread {words}", "line by line"]
        assert output(stand, job_id) == lines
    assert "printed one\n" in capsys.readouterr().out  # and goes where it went before


async def test_what_a_thread_writes_is_kept_with_its_attempt(stand: Stand) -> None:
    async with node_on(stand):
        job_id = await stand.tide.enqueue(jobs.speaks_in_a_thread, "one")
        await stand.end(job_id)
    assert output(stand, job_id) == ["printed one \\x00", "warning shop: logged one"]


async def test_a_dead_job_keeps_what_it_wrote(stand: Stand) -> None:
    async with node_on(stand):
        row = await stand.end(await stand.tide.enqueue(jobs.speaks, "one", fail=True))
    assert row["attempts"][0]["output"].startswith("printed one\n")


async def test_the_last_64_kib_are_kept(stand: Stand) -> None:
    async with node_on(stand):
        job_id = await stand.tide.enqueue(jobs.speaks_without_end, 200)
        await stand.end(job_id)
    lines = output(stand, job_id)
    assert lines[0] == "[... 136 lines dropped ...]"
    assert [line.rstrip() for line in lines[1:]] == [str(n) for n in range(136, 200)]


def test_a_stream_is_put_back_unless_another_took_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, later = StringIO(), StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    with job_prints_kept():
        assert sys.stdout is not mine
        print("heard")
        assert iter(sys.stdout) is mine
        assert sys.stdout.isatty() is False
        with pytest.raises(TypeError):
            sys.stdout.write(1)  # type: ignore[arg-type]
    assert sys.stdout is mine
    with job_prints_kept():
        sys.stdout = later
    assert sys.stdout is later
    assert (mine.getvalue(), CURRENT.get()) == ("heard\n", None)
