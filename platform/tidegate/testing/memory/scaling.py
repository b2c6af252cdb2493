"""`ScalingStore` over a database in memory: decisions, sizes by hand, and who leads, at one instant of its clock each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tidegate.store.scaling import FleetNode, Order, Verdict
from tidegate.testing.memory.tables import MemoryDatabase

__all__ = ["MemoryScaling"]


class MemoryScaling:
    """What the autoscaler asks; see `ScalingStore`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def orders(self) -> dict[str, Order]:
        """See `ScalingStore.orders`."""
        await asyncio.sleep(0)
        database, now = self._database, self._database.clock()
        orders = {}
        for queue in sorted({*database.targets, *database.paused, *database.scales}):
            paused, scale = queue in database.paused, database.scale_of(queue)
            if queue in database.targets:
                told, at = database.targets[queue]
                orders[queue] = Order(
                    queue, told.want, told.reason, told.need, dict(told.shares), told.ready, told.service, now - at, paused, scale
                )
            else:
                orders[queue] = Order(queue, paused=paused, scale=scale)
        return orders

    async def fleet(self) -> list[FleetNode]:
        """See `ScalingStore.fleet`."""
        await asyncio.sleep(0)
        now = self._database.clock()
        live = {name: row for name, row in sorted(self._database.nodes.items()) if not row.dead and row.expires > now}
        return [FleetNode(name, tuple(row.queues), _mapping(row.status)) for name, row in live.items()]

    async def decide(self, node: str, verdicts: Sequence[Verdict]) -> bool:
        """See `ScalingStore.decide`."""
        await asyncio.sleep(0)
        database, now = self._database, self._database.clock()
        if database.leader is None or database.leader[0] != node or database.leader[1] <= now:
            return False
        for verdict in verdicts:
            database.targets[verdict.queue] = (verdict, now)
            if verdict.log is not None:
                database.scaling_decisions.append({"node": node, "at": now, **asdict(verdict.log)})
        return True


def _mapping(text: str | None) -> Mapping[str, Any]:
    value = json.loads(text or "{}")
    return value if isinstance(value, dict) else {}
