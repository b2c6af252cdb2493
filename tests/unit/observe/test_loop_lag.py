import asyncio

import pytest

from tidegate.observe.loop_lag import LoopLag
from tidegate.testing import run_virtual


async def measured(block_at, block_for, until):
    """Return the lag after `until` seconds in which the loop was blocked once."""
    loop, lag = asyncio.get_running_loop(), LoopLag()
    child = lag.child().start()
    await child.start()
    loop.call_later(block_at, loop.advance, block_for)
    await asyncio.sleep(until)
    worst = lag.worst
    await child.stop()
    return worst


def test_nothing_is_known_where_nobody_measures():
    assert LoopLag().worst is None


def test_a_loop_that_is_free_is_not_late():
    assert run_virtual(measured(1.0, 0.0, 3)) == 0


def test_a_blocked_loop_is_late_by_what_was_left_of_the_block():
    assert run_virtual(measured(1.2, 0.8, 3)) == pytest.approx(0.5)


def test_the_worst_delay_is_remembered_for_a_scrape_interval():
    assert run_virtual(measured(1.0, 2.0, 14)) == pytest.approx(2.0, abs=0.5)


def test_an_old_delay_is_forgotten():
    assert run_virtual(measured(1.0, 2.0, 30)) == pytest.approx(0.0)
