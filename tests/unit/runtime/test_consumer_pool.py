"""The pool by itself: its consumers are actors, and time is virtual."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

from tidegate.events import ConsumersChanged, Event
from tidegate.runtime.consumer_pool import ConsumerPool
from tidegate.supervision import Killed, Reason, Shutdown
from tidegate.testing import run_virtual


class Actor:
    """A consumer whose call under way takes `busy_for` seconds more once it was asked to end."""

    def __init__(self, busy_for: float = 0.0) -> None:
        self.busy_for = busy_for
        self.busy = busy_for > 0
        self.ended: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()

    async def start(self) -> Actor:
        return self

    async def stop(self, reason: Reason, timeout: float | None) -> None:
        await asyncio.sleep(self.busy_for)
        self.end(reason)

    async def join(self) -> Reason:
        return await asyncio.shield(self.ended)

    def kill(self) -> None:
        self.end(Killed())

    def end(self, reason: Reason) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


def pool_of(*busy_for: float, drain_timeout: float = 30.0, seen: list[Event] | None = None) -> ConsumerPool:
    def consumer(number: int) -> Any:
        return Actor(busy_for[number - 1] if number <= len(busy_for) else 0.0)

    told: list[Event] = [] if seen is None else seen
    return ConsumerPool(
        "email",
        consumer,
        size=len(busy_for),
        drain_timeout=drain_timeout,
        emit=told.append,
        on_restart=lambda _: None,
    )


def test_a_drain_takes_as_long_as_its_longest_call() -> None:
    async def main() -> float:
        pool = await pool_of(20.0, 20.0, 25.0, 0.0).start()
        await pool.stop(Shutdown())
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 25.0


def test_calls_that_outlast_the_drain_are_killed_together() -> None:
    async def main() -> float:
        pool = await pool_of(60.0, 60.0, 60.0, drain_timeout=10.0).start()
        await pool.stop(Shutdown())
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 10.0


def test_who_leaves_is_no_longer_counted_and_is_forgotten_after_its_call() -> None:
    seen: list[Event] = []

    async def main() -> None:
        pool = await pool_of(5.0, 5.0, seen=seen).start()
        await pool.resize(1)
        assert pool.size().alive == 1
        assert len(pool.which_children()) == 2, "the one that leaves finishes its call"
        await asyncio.sleep(6)
        assert [info.id for info in pool.which_children()] == ["consumer-1"]
        await pool.stop(Shutdown())

    run_virtual(main())
    assert [(event.alive, event.target) for event in seen if isinstance(event, ConsumersChanged)] == [(2, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_pool_that_ends_while_one_leaves_ends_without_a_word(caplog: pytest.LogCaptureFixture, killed: bool) -> None:
    async def main() -> None:
        pool = await pool_of(5.0, 20.0).start()
        await pool.resize(0)
        await asyncio.sleep(1)
        if killed:
            pool.kill()
            await pool.join()
        else:
            await pool.stop(Shutdown())
        await asyncio.sleep(60)
        gc.collect()  # a task that ended in an exception which nobody looked at says so when it goes

    with caplog.at_level(logging.ERROR, "asyncio"):
        run_virtual(main())
    assert caplog.text == ""
