"""The end of a process in which a job has left something behind."""

import asyncio
import threading
from contextlib import suppress

import pytest

from tidegate.cli.leaving import bounded_end


@pytest.fixture(autouse=True)
def _logging_goes_on(monkeypatch):
    monkeypatch.setattr("logging.shutdown", lambda: None)


def test_a_coroutine_that_swallows_its_cancellation_does_not_keep_the_process(capsys):
    release, ended = threading.Event(), []

    def end(code):
        ended.append(code)
        release.set()

    async def never_ends():
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async def main(done):
        task = asyncio.get_running_loop().create_task(never_ends())
        await asyncio.sleep(0)
        done(3)
        return task

    with bounded_end(0.05, end=end) as done:
        asyncio.run(main(done))
    assert ended == [3]
    assert "what a job left behind does not end" in capsys.readouterr().err


def test_a_thread_that_a_job_has_started_does_not_keep_the_process():
    release, ended = threading.Event(), []

    def end(code):
        ended.append(code)
        release.set()

    with bounded_end(0.05, end=end) as done:
        threading.Thread(target=release.wait, args=(60,)).start()
        done(0)
    assert ended == [0]


def test_who_ends_in_time_ends_as_usual(capsys):
    ended = []
    with bounded_end(60.0, end=ended.append) as done:
        done(0)
    for thread in threading.enumerate():
        if thread.name == "tidegate-leaving":
            thread.join(60)
    assert ended == []
    assert capsys.readouterr().err == ""
