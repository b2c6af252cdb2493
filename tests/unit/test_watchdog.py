"""The watchdog over a real loop that is really blocked, at a pace of its own."""

import asyncio
import ctypes
import logging
import threading
import time
from contextlib import ExitStack

import pytest
from tests.unit.runs import run

from tidegate.errors import DatabaseUnreachable
from tidegate.events import LoopBlocked
from tidegate.runtime import watchdog
from tidegate.runtime.loop_lag import LoopLag
from tidegate.runtime.runs import Runs
from tidegate.runtime.watchdog import Pace, Watchdog

PACE = Pace(pause=0.01, patience=0.3, look_every=0.02, accuse_within=0.5)


class Kennel:
    """A watchdog and what it did. `end` lets go of whoever blocks, where it would end the process."""

    def __init__(self, *, ends=True, accuse=None):
        self.runs, self.lag = Runs(), LoopLag()
        self.events, self.accusations = [], []
        self.ended = threading.Event()
        self.dog = Watchdog(
            self.runs,
            self.lag,
            accuse=accuse or self.accusations.append,
            end=self.ended.set if ends else None,
            emit=self.events.append,
            pace=PACE,
        )

    async def start(self):
        """Start it, and return once its thread watches."""
        await self.dog.start()
        await until(lambda: self.lag.worst is not None)

    async def block(self, seconds, *who, until=lambda: False):
        """Block the loop in the code of `who`, for up to `seconds`, or until something is true or the watchdog has had enough."""
        await self.start()
        with ExitStack() as running:
            for each in who:
                running.enter_context(self.runs.running(each))
            hold(self.ended, seconds, until)


def reported(caplog):
    """Whether the watchdog has said what blocks; its event comes when the loop runs again."""
    return lambda: "has blocked the event loop" in caplog.text


def hold(ended, seconds, until=lambda: False):
    """Keep this thread busy; the last half second of it whatever became true, so that what is said twice is noticed."""
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline and not ended.wait(0.02):
        pass
    ended.wait(0.5)


def short(*ids, **numbers):
    return run(*ids, started=time.monotonic(), **{"timeout": 0.1, "kill_after": 0.5, **numbers})


def of_jobs(events):
    """Return what blames a job; a machine that is busy may well keep a loop waiting, which is nobody's fault."""
    return [event for event in events if event.job_id is not None]


async def until(truth, within=20):
    async with asyncio.timeout(within):
        while not truth():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.005)


async def test_a_free_loop_is_measured_and_nothing_is_said(caplog):
    kennel = Kennel()
    await kennel.dog.start()
    await until(lambda: len(kennel.lag._seen) >= 5)
    await kennel.dog.stop()
    assert kennel.lag.worst is not None
    assert (of_jobs(kennel.events), kennel.accusations) == ([], [])


async def test_a_job_that_blocks_the_loop_is_named_once_with_its_stack_and_counted(caplog):
    kennel, guilty = Kennel(), short(7, timeout=60.0)
    await kennel.block(20, guilty, until=reported(caplog))
    await until(lambda: "the event loop runs again, after" in caplog.text)
    await kennel.dog.stop()
    [event] = of_jobs(kennel.events)
    assert (event.queue, event.kind, event.job_id) == ("email", "mail:send", 7)
    [said] = [record for record in caplog.records if record.levelno == logging.ERROR and "no job's code" not in record.getMessage()]
    assert "job 7 (mail:send) has blocked the event loop" in said.getMessage()
    assert "hold(self.ended, seconds, until)" in said.getMessage()
    assert (said.queue, said.kind, said.job_id, said.attempt) == ("email", "mail:send", 7, 1)
    assert not kennel.ended.is_set()
    assert kennel.lag.worst >= PACE.patience


async def test_a_loop_that_is_blocked_by_no_job_is_said_and_counted_too(caplog):
    kennel = Kennel()
    await kennel.block(20, until=reported(caplog))
    await kennel.dog.stop()
    assert {(event.queue, event.kind, event.job_id) for event in kennel.events} == {(None, None, None)}
    assert "no job's code has blocked the event loop" in caplog.text


async def test_blocked_beyond_a_time_out_and_kill_after_the_job_is_accused_and_the_process_ends():
    kennel = Kennel()
    innocent = short(1)
    with kennel.runs.running(innocent):
        await kennel.block(20, short(7, timeout=3600.0))
        await kennel.dog.stop()
    assert kennel.ended.is_set()
    [accusation] = kennel.accusations
    assert accusation.jobs == (7,)
    assert "job 7 (mail:send) blocked the node's event loop" in accusation.why
    assert "hold(self.ended, seconds, until)" in accusation.stack


async def test_a_whole_batch_is_accused_together():
    kennel = Kennel()
    await kennel.block(20, short(7, 8, 9))
    await kennel.dog.stop()
    assert kennel.accusations[0].jobs == (7, 8, 9)


async def test_where_no_single_job_is_to_blame_none_is_accused_and_the_process_ends_all_the_same():
    kennel = Kennel()
    kennel.runs._by_job[1] = short(1)  # it runs, and it is not its code that blocks
    await kennel.block(20)
    await kennel.dog.stop()
    assert kennel.accusations[0].jobs == ()
    assert kennel.ended.is_set()


async def test_a_watchdog_that_may_not_end_the_process_lets_it_block():
    kennel = Kennel(ends=False)
    await kennel.block(2, short(7))
    await kennel.dog.stop()
    assert kennel.accusations == []
    assert len(of_jobs(kennel.events)) == 1


async def test_an_accusation_waits_for_the_database_and_not_for_ever(caplog, monkeypatch):
    def away(_):
        raise DatabaseUnreachable("accuse: gone")

    monkeypatch.setattr(watchdog, "SAY_WITHIN", 0.5)
    kennel = Kennel(accuse=away)
    await kennel.block(20, short(7))
    await kennel.dog.stop()
    assert kennel.ended.is_set()
    assert "all jobs of this node will count as crashed" in caplog.text


async def test_a_log_handler_that_blocks_does_not_stop_the_watchdog(monkeypatch):
    monkeypatch.setattr(watchdog, "SAY_WITHIN", 0.05)
    stuck = threading.Lock()

    class Stuck(logging.Handler):
        def emit(self, record):
            with stuck:
                pass

    handler = Stuck()
    logging.getLogger("tidegate.watchdog").addHandler(handler)
    try:
        with stuck:
            kennel = Kennel()
            await kennel.block(20, short(7))
            await kennel.dog.stop()
            assert kennel.ended.is_set()
    finally:
        logging.getLogger("tidegate.watchdog").removeHandler(handler)


async def test_a_bug_in_its_thread_ends_the_child():
    def broken(_):
        raise ZeroDivisionError

    kennel = Kennel(accuse=broken)
    await kennel.start()
    with kennel.runs.running(short(7)):
        hold(kennel.ended, 20, lambda: not any(each.name == "tidegate-watchdog" for each in threading.enumerate()))
    reason = await kennel.dog.join()
    assert isinstance(reason.error, ZeroDivisionError)


async def test_code_that_holds_the_interpreters_lock_is_named_afterwards(caplog, monkeypatch):
    monkeypatch.setattr(watchdog, "STALLED", 0.2)
    monkeypatch.setattr(watchdog, "BUSY", -1.0)  # this sleeps, where real code would work
    kennel = Kennel()
    await kennel.start()
    with kennel.runs.running(short(7, timeout=60.0)):
        ctypes.PyDLL(None).usleep(900_000)
    await until(lambda: of_jobs(kennel.events))
    await kennel.dog.stop()
    assert of_jobs(kennel.events)[0].job_id == 7
    assert "it held the interpreter's lock" in caplog.text


async def test_a_process_that_was_stopped_accuses_nobody(caplog, monkeypatch):
    monkeypatch.setattr(watchdog, "STALLED", 0.2)
    kennel = Kennel()
    await kennel.start()
    with kennel.runs.running(short(7, timeout=60.0)):
        ctypes.PyDLL(None).usleep(900_000)
    await until(lambda: "stood still" in caplog.text)
    await kennel.dog.stop()
    assert of_jobs(kennel.events) == []


async def test_a_stop_between_two_of_its_waits_is_noticed_as_well(caplog, monkeypatch):
    monkeypatch.setattr(watchdog, "STALLED", 0.2)
    kennel = Kennel()
    ask, stops = kennel.dog._ask, [900_000]

    def stopped_first(loop):
        if stops:
            ctypes.PyDLL(None).usleep(stops.pop())
        ask(loop)

    monkeypatch.setattr(kennel.dog, "_ask", stopped_first)
    await kennel.start()
    await until(lambda: "stood still" in caplog.text)
    await kennel.dog.stop()
    assert of_jobs(kennel.events) == []


@pytest.mark.filterwarnings("error")
def test_a_loop_that_is_closed_under_it_ends_its_thread():
    async def started():
        await Kennel().start()

    asyncio.run(started())


def test_an_event_tells_what_was_seen():
    assert LoopBlocked("email", "mail:send", 7, 1.0).seconds == 1.0
