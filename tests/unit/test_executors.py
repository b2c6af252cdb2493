"""Handlers on the loop and in threads: what they come to, above all when they are asked to end and do not."""

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from math import inf

import pytest
from tests.unit.runs import run

from tidegate.jobs import Cancelled, Done, Retry, Snooze, TimedOut
from tidegate.runtime.executors import LoopExecutor, Raised, RunEnded, ThreadExecutor
from tidegate.runtime.executors import coroutine as coroutines
from tidegate.runtime.runs import Runs

VARIABLE = contextvars.ContextVar("variable", default="clean")


class Stage:
    """Both executors of a queue, and a way to run a handler with limits."""

    def __init__(self, spare=1):
        self.events = []
        self.runs = Runs(emit=self.events.append, keeps_time=True)
        self.threads = ThreadExecutor("email", self.runs, spare=spare)
        self.loop = LoopExecutor(self.threads, self.runs)

    def limits(self, timeout=20.0, kill_after=20.0, job_id=1):
        return run(job_id, started=asyncio.get_running_loop().time(), timeout=timeout, kill_after=kill_after)

    async def run(self, function, limits=None, *, thread=False):
        limits = limits or self.limits()
        is_async = asyncio.iscoroutinefunction(function)
        if limits.timeout < 20 and not limits.asked:
            function = self.timed(function, limits)
        executor = self.threads if thread else self.loop
        with self.runs.running(limits):
            return await executor.run(function, is_async=is_async, run=limits)

    def timed(self, function, limits):
        """Have its time begin with the handler: on a busy machine a thread may need longer than that for its first step."""
        loop, here = asyncio.get_running_loop(), threading.current_thread()
        limits.started = inf

        def begins():
            limits.started = loop.time()
            self.runs.enter(limits)

        def begin():
            if threading.current_thread() is here:
                begins()
            else:
                loop.call_soon_threadsafe(begins)

        async def coroutine():
            begin()
            return await function()

        def plain():
            begin()
            return function()

        return coroutine if asyncio.iscoroutinefunction(function) else plain


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.threads.close()


async def until(truth, within=20):
    async with asyncio.timeout(within):
        while not truth():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.005)


class Odd(BaseException):
    """Nothing that anybody expects."""


ERRORS = [ValueError("v"), SystemExit(3), asyncio.CancelledError("c"), TimeoutError("own")]


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_what_a_handler_raises_arrives(stage, error, thread):
    async def coroutine():
        await asyncio.sleep(0)
        raise error

    def function():
        raise error

    for handler in (coroutine, function):
        with pytest.raises(type(error)):
            await stage.run(handler, thread=thread)


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), Odd("odd")], ids=repr)
async def test_what_would_end_the_loop_arrives_wrapped(stage, error, thread):
    async def coroutine():
        raise error

    def function():
        raise error

    for handler in (coroutine, function):
        with pytest.raises(Raised) as raised:
            await stage.run(handler, thread=thread)
        assert raised.value.error is error


async def test_an_iteration_that_stops_is_an_error_like_any_other(stage):
    def function():
        return next(iter(()))

    with pytest.raises(Raised) as raised:
        await stage.run(function)
    assert isinstance(raised.value.error, StopIteration)


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_values_arrive_and_contexts_stay_where_they_are(stage, thread):
    async def coroutine():
        before, _ = VARIABLE.get(), VARIABLE.set("dirty")
        return before

    def function():
        before, _ = VARIABLE.get(), VARIABLE.set("dirty")
        return before

    for _ in range(2):
        assert await stage.run(coroutine, thread=thread) == "clean"
        assert await stage.run(function, thread=thread) == "clean"


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_a_coroutine_over_its_time_out_is_cancelled_where_it_waits(stage, thread):
    seen = []

    async def handler():
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(RunEnded) as ended:
        await stage.run(handler, stage.limits(timeout=0.1), thread=thread)
    assert ended.value.why.after == 0.1
    assert "await asyncio.sleep(600)" in ended.value.why.stack
    assert "/tidegate/runtime/" not in ended.value.why.stack
    assert seen == ["cancelled"]
    assert stage.events == []


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize(
    ("value", "counts"), [(None, False), ("done after all", False), (Done(1), True), (Snooze(5), True)], ids=repr
)
async def test_whoever_swallows_a_cancellation_has_only_his_outcome_to_say(stage, value, counts, thread):
    async def handler():
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            return value

    if counts:
        assert await stage.run(handler, stage.limits(timeout=0.05), thread=thread) == value
    else:
        with pytest.raises(RunEnded) as ended:
            await stage.run(handler, stage.limits(timeout=0.05), thread=thread)
        assert isinstance(ended.value.why, TimedOut)


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_an_error_in_the_clean_up_is_still_a_time_out_and_a_raised_outcome_counts(stage, thread):
    async def fails():
        try:
            await asyncio.sleep(600)
        finally:
            raise ValueError("in the clean-up")

    async def retries():
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            raise Retry(5, "later") from None

    with pytest.raises(RunEnded) as ended:
        await stage.run(fails, stage.limits(timeout=0.05), thread=thread)
    assert isinstance(ended.value.__cause__, ValueError)
    with pytest.raises(Retry):
        await stage.run(retries, stage.limits(timeout=0.05), thread=thread)


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_a_coroutine_that_does_not_end_is_left_behind_and_told_of(stage, thread, caplog):
    free = threading.Event()

    async def stubborn():
        while not free.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    limits = stage.limits(timeout=0.05, kill_after=0.1)
    with pytest.raises(RunEnded):
        await stage.run(stubborn, limits, thread=thread)
    assert limits.abandoned
    assert stage.runs.abandoned("email") == 1
    [event] = stage.events
    assert (event.queue, event.kind, event.job_id) == ("email", "mail:send", 1)
    assert "is abandoned after" in caplog.text
    assert await stage.run(lambda: 7, thread=thread) == 7
    free.set()
    await until(lambda: stage.runs.abandoned("email") == 0)


async def test_a_cancelled_run_ends_and_says_so(stage):
    limits = stage.limits()

    async def handler():
        limits.end(Cancelled())
        await asyncio.sleep(600)

    with pytest.raises(RunEnded) as ended:
        await stage.run(handler, limits)
    assert ended.value.why == Cancelled()


@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_a_run_that_was_cancelled_before_it_began_does_not_get_far(stage, thread):
    limits, reached = stage.limits(), []
    limits.end(Cancelled())

    async def handler():
        await asyncio.sleep(600)
        reached.append(1)

    with pytest.raises(RunEnded):
        await stage.run(handler, limits, thread=thread)
    assert reached == []


async def test_a_handler_that_cancels_itself_has_failed(stage):
    async def handler():
        asyncio.current_task().cancel()
        await asyncio.sleep(600)

    with pytest.raises(asyncio.CancelledError):
        await stage.run(handler)
    assert asyncio.current_task().cancelling() == 0, "its cancellation is its own"


async def test_a_consumer_that_is_cancelled_cancels_its_handler(stage):
    seen, started = [], asyncio.Event()

    async def handler():
        try:
            started.set()
            await asyncio.sleep(600)
        finally:
            seen.append("ended")

    consumer = asyncio.ensure_future(stage.run(handler))
    await started.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert seen == ["ended"]


async def test_a_consumer_that_is_cancelled_does_not_wait_for_ever(stage, monkeypatch):
    monkeypatch.setattr(coroutines, "UNWIND", 0.05)
    free, started = asyncio.Event(), asyncio.Event()

    async def stubborn():
        while not free.is_set():
            try:
                started.set()
                await free.wait()
            except asyncio.CancelledError:
                continue

    consumer = asyncio.ensure_future(stage.run(stubborn))
    await started.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert stage.runs.abandoned("email") == 1
    free.set()
    await until(lambda: stage.runs.abandoned("email") == 0)


async def test_a_consumer_that_is_cancelled_tells_its_thread_and_goes(stage):
    started, seen = threading.Event(), []

    async def coroutine():
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            seen.append("ended")

    consumer = asyncio.ensure_future(stage.run(coroutine, thread=True))
    await until(started.is_set)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    await until(lambda: seen == ["ended"])


async def test_a_function_may_look_whether_it_is_to_end(stage):
    limits = stage.limits(timeout=0.1)

    def handler():
        while not limits.notice():
            time.sleep(0.005)
        return "saw it"

    with pytest.raises(RunEnded) as ended:
        await stage.run(handler, limits)
    assert isinstance(ended.value.why, TimedOut)
    assert "in handler" in ended.value.why.stack
    assert "/tidegate/runtime/" not in ended.value.why.stack


async def test_a_function_that_ends_late_has_timed_out_also_where_it_never_looked(stage):
    with pytest.raises(RunEnded):
        await stage.run(lambda: time.sleep(0.3), stage.limits(timeout=0.1))
    assert stage.runs.abandoned("email") == 0


async def test_a_function_that_was_cancelled_and_never_looked_is_done_when_it_is(stage):
    limits = stage.limits()

    def handler():
        limits.end(Cancelled())
        return "all of it"

    assert await stage.run(handler, limits) == "all of it"


async def test_a_function_that_saw_its_cancellation_is_cancelled(stage):
    limits = stage.limits()
    asyncio.get_running_loop().call_later(0.05, limits.end, Cancelled())

    def handler():
        while not limits.notice():
            time.sleep(0.005)

    with pytest.raises(RunEnded) as ended:
        await stage.run(handler, limits)
    assert ended.value.why == Cancelled()


async def test_threads_that_are_lost_are_replaced_up_to_a_bound_and_then_waited_for(stage, caplog):
    free = threading.Event()
    for job_id in (1, 2):
        assert not stage.loop.full
        with pytest.raises(RunEnded):
            await stage.run(lambda: free.wait(60), stage.limits(timeout=0.05, kill_after=0.05, job_id=job_id))
    assert stage.threads.full
    assert stage.loop.full
    assert stage.threads.abandoned == 2
    assert "2 threads are lost" in caplog.text
    room = asyncio.ensure_future(stage.loop.room())
    await asyncio.sleep(0.05)
    assert not room.done()
    free.set()
    await room
    await until(lambda: stage.threads.abandoned == 0 and stage.runs.abandoned("email") == 0)
    assert await stage.run(lambda: 7) == 7


async def test_a_cancelled_function_that_never_looks_has_until_its_time_out(stage):
    free, limits = threading.Event(), stage.limits(timeout=0.2, kill_after=0.05)
    limits.end(Cancelled())
    began = asyncio.get_running_loop().time()
    with pytest.raises(RunEnded) as ended:
        await stage.run(lambda: free.wait(60), limits)
    assert ended.value.why == Cancelled()
    assert asyncio.get_running_loop().time() - began >= 0.2
    free.set()
    await until(lambda: stage.runs.abandoned("email") == 0)


async def test_a_thread_is_kept_for_the_next_call(stage):
    names = [await stage.run(lambda: threading.current_thread().name) for _ in range(5)]
    assert set(names) == {"email-1"}
    assert repr(stage.threads) == "<ThreadExecutor email idle=1 made=1 abandoned=0>"


async def test_a_call_keeps_its_own_answer_when_its_thread_has_the_next_one_already(stage):
    """The thread is free before the consumer that waited for it wakes: whoever comes in between must not touch its answer."""
    free = threading.Event()
    first = asyncio.create_task(stage.run(lambda: "first"))
    first.add_done_callback(lambda _: free.set())
    while not stage.threads._idle:  # noqa: ASYNC110 - every turn of the loop, so that the next call comes before the first wakes
        await asyncio.sleep(0)
    assert not first.done()
    assert await stage.run(lambda: free.wait(20) and "second", stage.limits(job_id=2)) == "second"
    assert (await first, stage.threads.abandoned, stage.events) == ("first", 0, [])


def test_a_loop_that_is_closed_takes_its_threads_along():
    free = threading.Event()

    async def leave_one():
        stage = Stage()
        with pytest.raises(RunEnded):
            await stage.run(lambda: free.wait(60), stage.limits(timeout=0.05, kill_after=0.05))

    asyncio.run(leave_one())
    lost = [thread for thread in threading.enumerate() if thread.name == "email-1"]
    free.set()
    for thread in lost:
        thread.join(20)
        assert not thread.is_alive()


async def test_a_thread_that_has_the_next_call_already_does_not_cost_the_last_one_its_answer(stage):
    async def lane(n):
        for turn in range(300):
            if (n + turn) % 3:
                assert await stage.run(lambda value=(n, turn): value, stage.limits(job_id=n), thread=True) == (n, turn)
            else:
                with pytest.raises(KeyError):
                    await stage.run({}.popitem, stage.limits(job_id=n), thread=True)

    async with asyncio.TaskGroup() as group:
        for n in range(8):
            group.create_task(lane(n))
    assert stage.events == []
    assert stage.threads.abandoned == 0


async def returns():
    return 1


async def waits_and_returns():
    await asyncio.sleep(0.001)
    return 1


@pytest.mark.parametrize("coroutine", [returns, waits_and_returns])
async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(stage, coroutine):
    class Log:
        """Stands for whatever hangs on a run."""

    limits = stage.limits()
    limits._log = Log()
    gone = weakref.ref(limits._log)
    collects = gc.isenabled()
    gc.disable()
    try:
        assert await stage.run(coroutine, limits) == 1
        del limits
        await asyncio.sleep(0)  # the loop forgets the step that it is in
        await asyncio.sleep(0)  # and that of its task
        assert gone() is None
    finally:
        if collects:
            gc.enable()
