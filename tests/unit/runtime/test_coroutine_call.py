"""Coroutines whose first step is taken in their consumer's turn: what they see, what they leave behind, how they are cancelled."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from tidegate.jobs import Cancelled, Job
from tidegate.runtime.executors import Raised, RunEnded
from tidegate.runtime.executors.coroutine import CoroutineCalls, WaitingCall
from tidegate.runtime.runs import CURRENT, Run, Runs
from tidegate.supervision import stack_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MARK: ContextVar[str] = ContextVar("mark", default="nothing")
Function = Callable[[], Coroutine[Any, Any, Any]]


def a_run(number: int = 1) -> Run:
    job = Job(number, "q", f"m:f{number}", b"{}", 1, None, 0, 1, number, NOW, NOW, 0.0)
    return Run([job], started=0.0, timeout=60.0, kill_after=60.0)


class Consumer:
    """Calls one coroutine function after the other, as a consumer does."""

    def __init__(self) -> None:
        self.runs = Runs()
        self.calls = CoroutineCalls(self.runs)
        self.made = 0

    @contextmanager
    def begun(self, function: Function) -> Iterator[Any]:
        """Yield what beginning a call came to."""
        self.made += 1
        self.run = a_run(self.made)
        with self.runs.running(self.run):
            yield self.calls.begin(function, self.run)

    async def call(self, function: Function) -> Any:
        with self.begun(function) as begun:
            return await begun.result() if isinstance(begun, WaitingCall) else begun


async def whose() -> asyncio.Task[Any] | None:
    return asyncio.current_task()


async def test_a_run_that_was_asked_to_end_before_its_first_step_never_begins() -> None:
    begun = []

    async def handler() -> None:
        begun.append(True)

    run = a_run()
    run.end(Cancelled())
    with pytest.raises(RunEnded) as ended:
        CoroutineCalls(Runs()).begin(handler, run)
    assert isinstance(ended.value.why, Cancelled)
    assert not begun


async def test_a_first_step_runs_in_a_task_of_its_own_and_leaves_the_consumers_as_it_was() -> None:
    consumer = Consumer()
    mine = asyncio.current_task()
    names = []

    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())
        MARK.set("a handler's")

    await consumer.call(handler)
    await consumer.call(handler)
    assert names == ["m:f1", "m:f2"]
    assert asyncio.current_task() is mine
    assert MARK.get() == "nothing"


async def test_a_coroutine_goes_on_in_the_task_and_the_context_in_which_it_began() -> None:
    consumer = Consumer()
    seen = []

    async def handler() -> None:
        MARK.set("mine")
        run = CURRENT.get()
        for _ in range(3):
            seen.append((asyncio.current_task(), MARK.get(), CURRENT.get() is run))
            await asyncio.sleep(0)

    await consumer.call(handler)
    assert len(set(seen)) == 1
    assert seen[0][1:] == ("mine", True)
    assert MARK.get() == "nothing"


async def test_a_task_that_nobody_has_kept_is_the_next_ones_too() -> None:
    consumer = Consumer()
    seen = []

    async def handler() -> None:
        seen.append(id(asyncio.current_task()))

    for _ in range(3):
        await consumer.call(handler)
    assert len(set(seen)) == 1


KEPT: list[Any] = []


async def keeps() -> None:
    KEPT.append(asyncio.current_task())


async def keeps_weakly() -> None:
    KEPT.append(WeakKeyDictionary({asyncio.current_task(): "a session"}))


async def wants_to_hear_of_its_end() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(KEPT.append)


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def cancels_itself_and_thinks_better_of_it() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    task.uncancel()  # before 3.13 its next wait is cancelled all the same


@pytest.mark.parametrize(
    "handler", [keeps, keeps_weakly, wants_to_hear_of_its_end, cancels_itself, cancels_itself_and_thinks_better_of_it]
)
async def test_a_task_that_somebody_has_kept_or_changed_is_nobody_elses(handler: Function) -> None:
    KEPT.clear()
    consumer = Consumer()
    seen = []

    async def next_one() -> None:
        task = asyncio.current_task()
        assert task is not None
        seen.append((task in KEPT, any(task in each for each in KEPT if isinstance(each, WeakKeyDictionary)), task.cancelling()))
        await asyncio.sleep(0)

    with suppress(asyncio.CancelledError):
        await consumer.call(handler)
    await consumer.call(next_one)
    assert seen == [(False, False, 0)]
    await asyncio.sleep(0)
    if handler is wants_to_hear_of_its_end:
        assert [task.done() for task in KEPT] == [True]
    KEPT.clear()


async def test_what_a_handler_writes_on_its_task_is_not_read_by_the_next() -> None:
    consumer = Consumer()
    read = []

    async def writes() -> None:
        task: Any = asyncio.current_task()
        read.append(getattr(task, "tenant", None))
        task.tenant = "a handler's"

    await consumer.call(writes)
    await consumer.call(writes)
    assert read == [None, None]


async def test_a_task_that_somebody_cancels_between_two_calls_is_not_the_next_ones() -> None:
    consumer = Consumer()

    async def does_not_wait() -> None:
        pass

    async def waits() -> str:
        await asyncio.sleep(0)
        return "done"

    await consumer.call(does_not_wait)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    assert await consumer.call(waits) == "done"


@pytest.mark.parametrize("waits", [False, True])
async def test_a_handler_that_cancels_itself_in_its_last_step_is_cancelled(waits: bool) -> None:
    consumer = Consumer()

    async def handler() -> None:
        if waits:
            await asyncio.sleep(0)
        await cancels_itself()

    with pytest.raises(asyncio.CancelledError):
        await consumer.call(handler)


async def test_several_may_wait_for_the_same_in_their_first_step() -> None:
    same = asyncio.get_running_loop().create_future()

    async def handler() -> Any:
        return await same

    handlers = [asyncio.create_task(Consumer().call(handler)) for _ in range(3)]
    other = asyncio.create_task(handler())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.001, same.set_result, "heard")
    assert await asyncio.gather(*handlers, other) == ["heard"] * 4


async def test_what_a_cancellation_says_is_heard_also_before_the_task_has_begun() -> None:
    consumer = Consumer()
    tasks = []

    async def handler() -> str:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            task.uncancel()
            return str(error)
        return "nothing"

    with consumer.begun(handler) as begun:
        tasks[0].cancel("by its scope")
        assert await begun.result() == "by its scope"


async def test_a_function_that_only_says_it_were_a_coroutine_function_has_the_jobs_context_and_no_way_to_say_done() -> None:
    consumer = Consumer()

    def promises() -> Any:
        MARK.set("a handler's")
        return asyncio.sleep(0, "kept")

    def stops() -> Any:
        raise StopIteration("not a value")

    assert await consumer.call(promises) == "kept"
    assert MARK.get() == "nothing"
    with pytest.raises(Raised):
        await consumer.call(stops)


async def test_the_loops_task_factory_has_no_say() -> None:
    loop = asyncio.get_running_loop()

    def wrapping(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        async def wrapped() -> Any:
            return await coroutine

        return asyncio.Task(wrapped(), loop=loop, **more)

    async def handler() -> str:
        await asyncio.sleep(0)
        return await asyncio.create_task(asyncio.sleep(0, "done"))

    for factory in (wrapping, getattr(asyncio, "eager_task_factory", None)):  # what tracers set; one that 3.12 has
        loop.set_task_factory(factory)
        try:
            assert await asyncio.wait_for(Consumer().call(handler), 30) == "done"
        finally:
            loop.set_task_factory(None)


async def test_what_a_task_carries_has_the_state_of_a_coroutine() -> None:
    consumer = Consumer()
    tasks: list[Any] = []

    async def handler() -> str:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        return inspect.getcoroutinestate(tasks[0].get_coro())

    with consumer.begun(handler) as begun:
        assert inspect.getcoroutinestate(tasks[0].get_coro()) == inspect.CORO_SUSPENDED
        assert await begun.result() == inspect.CORO_RUNNING
    assert inspect.getcoroutinestate(tasks[0].get_coro()) == inspect.CORO_CLOSED


async def test_what_a_handler_raises_comes_as_it_was_raised() -> None:
    consumer = Consumer()

    async def fails() -> None:
        raise LookupError("as asked")

    async def fails_later() -> None:
        await asyncio.sleep(0)
        raise LookupError("as asked")

    for handler in (fails, fails_later):
        with pytest.raises(LookupError, match="as asked"):
            await consumer.call(handler)


async def test_a_handler_that_cancels_itself_and_waits_is_cancelled_where_it_waits() -> None:
    consumer = Consumer()
    steps = []

    async def handler() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            steps.append("cancelled")
            task.uncancel()
        await asyncio.sleep(0)
        return "done all the same"

    assert await consumer.call(handler) == "done all the same"
    assert steps == ["cancelled"]


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_run_is_asked_to_end_in_any_turn_of_its_first_wait(turns: int) -> None:
    consumer = Consumer()
    steps = []

    async def handler() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            steps.append("unwound")

    async def asked() -> None:
        with consumer.begun(handler) as begun:
            asyncio.get_running_loop().call_soon(in_turns, turns)
            await begun.result()

    def in_turns(left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(in_turns, left - 1)
        else:
            consumer.run.end(Cancelled())

    with pytest.raises(RunEnded):
        await asyncio.wait_for(asked(), 30)
    assert steps == ["unwound"]


async def test_a_bare_turn_of_the_loop_is_cancelled_as_well() -> None:
    consumer = Consumer()
    steps = []

    async def handler() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise

    with consumer.begun(handler) as begun:
        consumer.run.end(Cancelled())
        with pytest.raises(RunEnded):
            await begun.result()
    assert steps == ["cancelled"]


async def test_what_is_awaited_may_be_over_before_the_task_begins() -> None:
    consumer = Consumer()

    async def handler() -> str:
        over = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(over.set_result, "heard")
        return str(await over)

    assert await consumer.call(handler) == "heard"


async def test_an_awaitable_that_is_no_coroutine_is_awaited() -> None:
    consumer = Consumer()

    def promises() -> Any:
        return asyncio.get_running_loop().create_task(asyncio.sleep(0, "kept"))

    assert await consumer.call(promises) == "kept"


async def test_groups_and_timeouts_work_from_the_first_step_on() -> None:
    consumer = Consumer()

    async def part(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def in_a_group() -> list[int]:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            parts = [group.create_task(part(number)) for number in range(3)]
        return [each.result() for each in parts]

    async def too_long() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)

    async def a_part_fails() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.wait_for(asyncio.sleep(60), 0.001))
            await asyncio.sleep(60)

    assert await consumer.call(in_a_group) == [0, 1, 2]
    with pytest.raises(TimeoutError):
        await consumer.call(too_long)
    with pytest.raises(ExceptionGroup):
        await consumer.call(a_part_fails)


async def test_where_it_waits_is_told_by_its_own_frames() -> None:
    consumer = Consumer()
    over = asyncio.Event()
    tasks = []

    async def inner() -> None:
        await over.wait()

    async def handler() -> None:
        tasks.append(asyncio.current_task())
        await inner()

    with consumer.begun(handler) as begun:
        for _ in range(2):  # before its task's first step, and after it
            lines = stack_of(tasks[0])
            assert ("in handler" in lines.splitlines()[0], "in inner" in lines) == (True, True)
            assert "handler" in repr(tasks[0])
            await asyncio.sleep(0)
        over.set()
        await begun.result()


async def test_no_task_is_left_of_calls_that_are_over() -> None:
    consumer = Consumer()

    async def waits() -> None:
        await asyncio.sleep(0)

    before = asyncio.all_tasks()
    for handler in (whose, waits, whose):
        await consumer.call(handler)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
