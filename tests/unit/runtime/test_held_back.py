"""What circuits hold back is counted seldom where counting takes long, and never so seldom that new jobs pass for free."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from tidegate.circuit import CircuitPlan, CircuitRecord, CircuitSpec
from tidegate.runtime.held_back import Held, HeldBack
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.store.gated import Gated
from tidegate.store.protocol import QueueCounts, Store
from tidegate.testing import run_virtual

TOLD: dict[str, Any] = dict.fromkeys(CircuitRecord._fields, 0) | {
    "name": "relay",
    "state": "forced_open",
    "gates": True,
    "until": None,
    "opened_at": None,
    "ramp_from": None,
    "places": None,
}


class SlowTable:
    """A table of ready jobs, all behind one circuit that is open by hand, which takes a tenth of a second to count."""

    def __init__(self) -> None:
        self.ready = 0
        self.counted: list[int] = []
        self.record = CircuitRecord(**TOLD)
        known = KnownCircuits(CircuitPlan([CircuitSpec("relay", kinds=("send",))]))
        known.learn([self.record], 0.0)
        self.held = HeldBack(known, cast("Store", self))

    async def gated(self, ready: Mapping[str, int]) -> list[Gated]:
        await asyncio.sleep(0.1)
        self.counted.append(ready["email"])
        return [Gated("email", "relay", self.ready, 1.0)] if self.ready else []

    async def circuits(self) -> list[CircuitRecord]:
        return [self.record]

    async def free(self) -> int:
        """Return how many jobs may start, as a decision would see it."""
        counts = QueueCounts("email", 0, self.ready, 0, 1.0, paused=False)
        held = await self.held.look({"email": counts})
        return held.get("email", Held()).ready(counts)


def test_jobs_that_came_since_the_last_count_do_not_pass_for_free() -> None:
    async def main() -> None:
        table = SlowTable()
        assert await table.free() == 0
        table.ready = 40
        assert await table.free() == 0
        assert table.counted == [0, 40]

    run_virtual(main())


def test_a_queue_that_grows_is_counted_again_each_time_it_has_doubled() -> None:
    async def main() -> None:
        table = SlowTable()
        for table.ready in range(1000):
            assert await table.free() <= table.ready / 2
        assert table.counted == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]

    run_virtual(main())


def test_counting_takes_a_small_part_of_the_time() -> None:
    async def main() -> None:
        table = SlowTable()
        table.ready = 40
        for _ in range(100):
            await table.free()
            await asyncio.sleep(0.2)
        assert len(table.counted) == 4  # 0.1 s each, which pays for 5 s

    run_virtual(main())
