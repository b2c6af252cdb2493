"""A database in memory whose every claim, ack and loss the world of a simulation sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tidegate.jobs import State
from tidegate.store.protocol import Applied, Buried, NodeRow
from tidegate.testing.memory import MemoryDatabase, Row

if TYPE_CHECKING:
    from tidegate.testing.simulation.world import World

__all__ = ["watched"]


def watched(base: type[MemoryDatabase], world: World) -> MemoryDatabase:
    """Return a database whose every claim, ack and loss the world sees."""

    class Watched(base):  # type: ignore[misc, valid-type]
        def claim(self, queue: str, node: str, *args: Any) -> list[Row] | None:
            rows: list[Row] | None = super().claim(queue, node, *args)
            world.claimed(rows or (), node)
            return rows

        def claim_suspects(self, queue: str, node: str, *args: Any, **options: Any) -> list[Row]:
            rows: list[Row] = super().claim_suspects(queue, node, *args, **options)
            world.claimed(rows, node)
            return rows

        def ack(self, acks: Any, node: str, now: float) -> list[Applied]:
            acks = list(acks)
            applied: list[Applied] = super().ack(acks, node, now)
            world.applied(acks, applied, node)
            return applied

        def register(self, node: NodeRow, lease: float) -> bool:
            world.registered(node)
            return bool(super().register(node, lease))

        def retire(self, node: str) -> None:
            super().retire(node)
            world.referee.lost(node)

        def mark_lost(self) -> list[str]:
            lost: list[str] = super().mark_lost()
            for node in lost:
                world.tell(f"{node} is declared dead")
                world.referee.lost(node)
            return lost

        def bury_unknown(self, age: float, n: int, among: int, after: int) -> Buried:
            buried: Buried = super().bury_unknown(age, n, among, after)
            world.referee.ended.update((job_id, State.DEAD) for job_id, _, _ in buried.jobs)
            return buried

    return Watched(lambda: asyncio.get_running_loop().time())
