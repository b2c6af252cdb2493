"""Who blocks a loop, and when that has gone too far."""

import asyncio
import threading
import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.runs import run

from tidegate.runtime.blockage import Blockage, Sight, look, overdue_at
from tidegate.runtime.executors.coroutine import CoroutineCalls
from tidegate.runtime.runs import Runs

SECONDS = st.floats(0, 1e6)


def test_nobody_is_overdue_where_nothing_runs():
    assert overdue_at([], since=1.0) is None


def test_a_run_whose_time_out_comes_during_the_blockage_has_kill_after_on_top():
    assert overdue_at([run(started=10.0, timeout=60.0, kill_after=5.0)], since=20.0) == 75.0


def test_a_run_that_was_past_its_time_out_before_has_kill_after_from_the_blockage_on():
    assert overdue_at([run(started=10.0, timeout=60.0, kill_after=5.0)], since=100.0) == 105.0


def test_the_first_one_to_be_overdue_counts():
    assert overdue_at([run(timeout=3600.0), run(timeout=1.0), run(timeout=30.0)], since=0.0) == 6.0


@given(st.lists(st.tuples(SECONDS, SECONDS, st.floats(0, 100)), min_size=1), SECONDS)
def test_nobody_is_overdue_before_the_loop_was_blocked_for_its_kill_after(numbers, since):
    runs = [run(started=started, timeout=timeout, kill_after=kill_after) for started, timeout, kill_after in numbers]
    assert overdue_at(runs, since) >= since + min(each.kill_after for each in runs)


def test_who_was_seen_every_time_is_the_culprit():
    blockage, guilty = Blockage(0.0), run(1)
    for line in ("first", "last"):
        blockage.saw(Sight(guilty, line))
    assert (blockage.culprit, blockage.stack) == (guilty, "last")


@pytest.mark.parametrize("seen", [(), (None,), (None, 1), (1, 2)])
def test_otherwise_nobody_is(seen):
    runs = {1: run(1), 2: run(2), None: None}
    blockage = Blockage(0.0)
    for each in seen:
        blockage.saw(Sight(runs[each], "stack"))
    assert blockage.culprit is None


class Watched:
    """A loop in a thread of its own, in which something blocks until it is let go."""

    def __init__(self, start):
        self.loop, self.blocked, self.go = asyncio.new_event_loop(), threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(start(self)))

    def block(self):
        self.blocked.set()
        self.go.wait(20)

    def __enter__(self):
        self.thread.start()
        assert self.blocked.wait(20)
        return self

    def __exit__(self, *_):
        self.go.set()
        self.thread.join(20)
        self.loop.close()


def seen_in(start, runs):
    with Watched(start) as watched:
        return look(watched.thread.ident, watched.loop, runs.under_way())


@pytest.mark.parametrize("how", ["itself", "a task of its own", "a callback"])
def test_whoever_blocks_is_found_however_it_does(how):
    runs, guilty = Runs(), run(7)

    async def handler(watched):
        async def step():
            watched.block()

        match how:
            case "itself":
                await step()
            case "a task of its own":
                await asyncio.gather(step())
            case "a callback":
                done = watched.loop.create_future()
                watched.loop.call_soon(lambda: (watched.block(), done.set_result(None)))
                await done

    async def start(watched):
        with runs.running(guilty):
            await handler(watched)

    seen = seen_in(start, runs)
    assert seen.run is guilty
    assert "watched.block()" in seen.stack
    assert "run_until_complete" not in seen.stack, "what is around the handler is asyncio's business"


def test_what_is_no_jobs_code_is_nobodys_fault():
    async def start(watched):
        watched.block()

    seen = seen_in(start, Runs())
    assert seen.run is None
    assert "watched.block()" in seen.stack


def test_a_task_that_outlived_its_run_accuses_nobody():
    runs = Runs()

    async def start(watched):
        async def left_behind():
            await asyncio.sleep(0)
            watched.block()

        with runs.running(run(1)):
            task = asyncio.get_running_loop().create_task(left_behind())
        await task

    assert seen_in(start, runs).run is None


def test_a_thread_that_is_gone_is_not_seen():
    thread = threading.Thread(target=time.monotonic)
    thread.start()
    thread.join()
    with closing(asyncio.new_event_loop()) as loop:
        assert look(thread.ident, loop, []).stack == ""


def test_a_first_step_is_found_on_a_loop_without_frames():
    uvloop = pytest.importorskip("uvloop")
    seen = []

    async def main():
        loop, thread, runs, its = asyncio.get_running_loop(), threading.get_ident(), Runs(), run(1)
        began = threading.Event()

        async def blocks():
            began.set()
            time.sleep(0.3)  # noqa: ASYNC251 - the fault that is tested

        def watches():
            began.wait(30)
            seen.append(look(thread, loop, runs.under_way()).run is its)

        watcher = threading.Thread(target=watches)
        watcher.start()
        with runs.running(its):
            CoroutineCalls(runs).begin(blocks, its)
        watcher.join()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert seen == [True]
