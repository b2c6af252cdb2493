"""Jobs that try what Python itself lets them try: with exceptions, tasks, loops, threads. No process has to die of any of them.

Each is over its time-out, or says what it says, within seconds; those that never end wait for `RELEASED`, so that a test which looks
at what they leave behind can let them go.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from tidegate import job

RELEASED = threading.Event()


class Doom(BaseException):
    """No Exception, so that most code lets it through."""


class Mute(Exception):
    def __str__(self) -> str:
        raise Doom


@job(queue="heavy", max_attempts=1)
async def exits_in_a_task() -> None:
    sys.exit(3)


@job(queue="heavy", max_attempts=1)
async def fails_in_a_group() -> None:
    async def leaves() -> None:
        raise KeyError("left")

    async with asyncio.TaskGroup() as group:
        group.create_task(leaves())


@job(queue="heavy", max_attempts=1)
async def interrupts_in_a_task() -> None:
    raise KeyboardInterrupt


@job(queue="heavy", max_attempts=1)
def dooms() -> None:
    raise Doom("a")


@job(queue="heavy", max_attempts=1)
async def dooms_in_a_task() -> None:
    raise Doom("b")


@job(queue="heavy", max_attempts=1)
def closes_the_generator() -> None:
    raise GeneratorExit("c")


@job(queue="heavy", max_attempts=1)
def stops_the_iteration() -> None:
    raise StopIteration("d")


@job(queue="heavy", max_attempts=1)
async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


@job(queue="heavy", max_attempts=1)
async def awaits_a_cancelled_task() -> None:
    task = asyncio.create_task(asyncio.sleep(600))
    task.cancel()
    await task


@job(queue="heavy", max_attempts=1)
def says_it_was_cancelled() -> None:
    raise asyncio.CancelledError("by nobody")


@job(queue="heavy", max_attempts=1)
def never_stops_calling() -> None:
    never_stops_calling()


@job(queue="heavy", max_attempts=1)
def asks_for_the_impossible() -> int:
    return len(bytearray(2**62))


@job(queue="heavy", max_attempts=1)
def raises_what_dooms_its_reader() -> None:
    raise Mute


class Trap(dict[str, int]):
    def items(self) -> Any:
        raise Doom("trapped")

    __iter__ = keys = values = __len__ = items  # type: ignore[assignment]


@job(queue="heavy", max_attempts=1)
def returns_a_trap() -> dict[str, int]:
    return Trap(a=1)


@job(queue="heavy", max_attempts=1)
def raises_megabytes() -> None:
    raise ValueError("x" * 2**22)


@job(queue="heavy", max_attempts=1)
def raises_what_no_table_holds() -> None:
    raise ValueError("nul \x00 and half a pair \ud800")


@job(queue="heavy", max_attempts=1)
def raises_in_a_circle() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    raise one


@job(queue="heavy", max_attempts=1)
async def returns_its_task() -> object:
    return asyncio.current_task()


@job(queue="heavy", max_attempts=1)
async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(600)


@job(queue="heavy", max_attempts=1, timeout=0.3)
def computes_too_long() -> None:
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        pass


@job(queue="heavy", max_attempts=1, timeout=0.3)
def never_returns() -> None:
    RELEASED.wait()


@job(queue="heavy", max_attempts=1, timeout=0.3)
async def never_lets_itself_be_cancelled() -> None:
    while not RELEASED.is_set():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


@job(queue="heavy", max_attempts=1, timeout=0.3)
async def swallows_one_cancellation() -> str:
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        await asyncio.sleep(0.2)
    return "as if nothing had been"


@job(queue="heavy", max_attempts=1, timeout=0.3)
async def is_late_with_an_error() -> None:
    try:
        await asyncio.sleep(600)
    finally:
        raise ValueError("instead")


@job(queue="heavy")
async def keeps_everybody_waiting() -> None:
    time.sleep(0.2)  # noqa: ASYNC251


@job(queue="heavy")
async def leaves_a_task_for_a_while() -> None:
    TASKS.append(asyncio.create_task(asyncio.sleep(0.5)))


@job(queue="heavy")
async def leaves_a_failing_task() -> None:
    async def fails() -> None:
        raise ValueError("nobody looks")

    task = asyncio.create_task(fails())
    TASKS.append(task)
    await asyncio.wait([task])


@job(queue="heavy")
def leaves_a_thread_for_a_while() -> None:
    threading.Thread(target=time.sleep, args=(0.5,)).start()


TASKS: list[asyncio.Task[None]] = []
"""What was left behind, referenced so that nobody collects it early; a test empties it."""
