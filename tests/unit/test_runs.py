"""The runs of a node: their time, their cancellation, those that were left behind."""

import asyncio
import logging

from tests.unit.runs import run

from tidegate.jobs import Cancelled, TimedOut
from tidegate.runtime.runs import CURRENT, Runs
from tidegate.testing import run_virtual


def test_a_run_is_current_and_among_the_others_while_it_runs():
    runs, mine = Runs(), run(1, 2)
    with runs.running(mine):
        assert CURRENT.get() is mine
        assert (len(runs), runs.under_way()) == (2, [mine])
    assert CURRENT.get() is None
    assert (len(runs), runs.under_way()) == (0, [])


def test_only_the_first_reason_to_end_counts():
    mine = run(1)
    mine.end(TimedOut(1))
    mine.end(Cancelled())
    assert mine.why == TimedOut(1)


def test_whoever_listens_is_told_once_and_at_once_where_it_is_late():
    mine, told = run(1), []
    mine.when_asked(lambda: told.append(1))
    mine.end(Cancelled())
    mine.end(Cancelled())
    assert told == [1]
    mine.when_asked(lambda: told.append(2))
    assert told == [1, 2]


def test_a_handler_that_looks_has_noticed():
    mine = run(1)
    assert (mine.notice(), mine.noticed) == (False, False)
    mine.end(Cancelled())
    assert not mine.noticed
    assert (mine.notice(), mine.noticed) == (True, True)


def test_a_batch_ends_when_its_last_job_is_cancelled():
    runs, mine = Runs(), run(1, 2, 3)
    with runs.running(mine):
        runs.cancel([1, 2, 99])
        assert not mine.asked
        runs.cancel([2])
        assert not mine.asked
        runs.cancel([3])
        assert mine.why == Cancelled()
        assert mine.unwanted == {1, 2, 3}


def test_every_run_is_asked_to_end_at_its_own_time():
    async def ended():
        loop, runs, at = asyncio.get_running_loop(), Runs(keeps_time=True), {}

        async def one(job_id, timeout):
            mine, over = run(job_id, started=loop.time(), timeout=timeout), asyncio.Event()
            mine.when_asked(over.set)
            with runs.running(mine):
                await over.wait()
            at[job_id] = (loop.time(), mine.why)

        await asyncio.gather(*(one(job_id, timeout) for job_id, timeout in ((1, 5.0), (2, 1.0), (3, 3.0))))
        return at

    assert run_virtual(ended()) == {2: (1.0, TimedOut(1.0)), 3: (3.0, TimedOut(3.0)), 1: (5.0, TimedOut(5.0))}


def test_a_run_that_was_over_in_time_is_left_alone_and_a_later_one_is_not():
    async def ended():
        loop, runs = asyncio.get_running_loop(), Runs(keeps_time=True)
        first = run(1, started=loop.time(), timeout=1.0)
        with runs.running(first):
            await asyncio.sleep(0.5)
        second = run(2, started=loop.time(), timeout=2.0)
        with runs.running(second):
            await asyncio.sleep(3)
        return first.why, second.why

    assert run_virtual(ended()) == (None, TimedOut(2.0))


def test_one_timer_serves_all_runs():
    async def timers():
        loop, runs = asyncio.get_running_loop(), Runs(keeps_time=True)
        for job_id in range(100):
            with runs.running(run(job_id, started=loop.time(), timeout=60.0)):
                pass
        return len(loop._scheduled)

    assert run_virtual(timers()) == 1


def test_what_was_left_behind_is_told_and_counted_until_it_ends(caplog):
    async def counts():
        events = []
        runs = Runs(emit=events.append, keeps_time=True)
        mine = run(7)
        ended = runs.abandon(mine, "File x.py, line 1\n")
        between = runs.abandoned("email"), runs.abandoned("other")
        ended()
        ended()
        return mine.abandoned, between, runs.abandoned("email"), [(each.queue, each.kind, each.job_id) for each in events]

    assert run_virtual(counts()) == (True, (1, 0), 0, [("email", "mail:send", 7)])
    assert "job 7 (mail:send) does not end although it was asked to" in caplog.text
    assert "File x.py, line 1" in caplog.text
    assert caplog.text.count("has ended after all") == 1


def test_what_is_said_of_a_run_that_is_left_behind_is_no_word_of_its_own():
    said = []

    class Heard(logging.Handler):
        def emit(self, record):
            said.append((record.job_id, CURRENT.get()))

    async def abandons():
        runs, mine = Runs(), run(7)
        with runs.running(mine):
            runs.abandon(mine, "File x.py, line 1\n")
            return CURRENT.get() is mine

    heard = Heard()
    logging.getLogger("tidegate.runs").addHandler(heard)
    try:
        assert run_virtual(abandons())
    finally:
        logging.getLogger("tidegate.runs").removeHandler(heard)
    assert said == [(7, None)]
