"""A thousand children, and no task left of them."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.supervision import ChildSpec, DynamicSupervisor, FunctionChild, Supervisor
from tidegate.testing import run_virtual

CROWD = 1_000


def crowd(fall):
    async def member():
        await fall.wait()
        raise ValueError("pushed")

    return [ChildSpec(f"m{number}", lambda: FunctionChild(member)) for number in range(CROWD)]


@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
def test_a_thousand_children_crash_and_come_back_without_a_leaked_task(kind, caplog):
    caplog.set_level("CRITICAL", "tidegate.supervision")

    async def main():
        before = len(asyncio.all_tasks())
        fall = asyncio.Event()
        supervisor = await kind(intensity=None).start()
        for spec in crowd(fall):
            await supervisor.start_child(spec)
        first = len(asyncio.all_tasks())
        fall.set()
        await asyncio.sleep(0)
        fall.clear()
        await asyncio.sleep(1)
        again = len(asyncio.all_tasks())
        counts = supervisor.count_children().active, sum(info.restarts for info in supervisor.which_children())
        await supervisor.stop()
        await asyncio.sleep(1)
        return counts, again - first, len(asyncio.all_tasks()) - before

    assert run_virtual(main()) == ((CROWD, CROWD), 0, 0)
