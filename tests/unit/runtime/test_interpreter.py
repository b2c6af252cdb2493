"""What a process that only runs jobs changes in its interpreter."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tidegate.runtime.interpreter import loop_factory, spare_collections


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_is_there_is_collected_no_more_and_the_rest_is() -> None:
    spare_collections()
    assert gc.get_freeze_count() > 10_000
    assert gc.isenabled()
    assert gc.get_threshold()[0] > 700


def test_the_loops_clock_goes_on_within_one_turn() -> None:
    async def main() -> tuple[float, float]:
        now = asyncio.get_running_loop().time
        began = now()
        time.sleep(0.0004)  # noqa: ASYNC251 - below the millisecond that uvloop's own clock counts
        return began, now()

    began, ended = _run(main())
    assert ended - began >= 0.0004
    assert began == pytest.approx(time.monotonic(), abs=60)


def test_a_timer_of_the_loop_waits_its_time_by_that_clock() -> None:
    async def main() -> float:
        now = asyncio.get_running_loop().time
        began = now()
        await asyncio.sleep(0.02)
        return now() - began

    assert _run(main()) >= 0.019  # whole milliseconds, rounded


def test_uvloop_is_used_where_it_is_installed() -> None:
    uvloop = pytest.importorskip("uvloop")
    factory = loop_factory()
    assert factory is not None
    loop = factory()
    try:
        assert isinstance(loop, uvloop.Loop)
    finally:
        loop.close()


def _run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)
