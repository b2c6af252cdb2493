"""What the autoscaler asks of the database, and its implementation on PostgreSQL.

The leader's decisions stand in one row a queue. Writing them is fenced by leadership in the same statement, so that a leader that
was cut off changes nothing. Every verb raises `DatabaseUnreachable` for weather.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.store.weather import calling

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["FleetNode", "Logged", "Order", "PostgresScaling", "ScalingStore", "Verdict"]


@dataclass(frozen=True, slots=True)
class Order:
    """What holds for the size of one queue. Without a decision of a leader `age` is None."""

    queue: str
    want: int = 0
    reason: str = ""
    need: float = 0.0
    shares: Mapping[str, int] = field(default_factory=dict)
    ready: int = 0
    service: float = 0.0
    age: float | None = None
    """Seconds since it was decided."""
    paused: bool = False
    scale: int | None = None
    """What was said by hand, while that holds."""


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A live node, the queues that it serves, and what it says of itself."""

    node: str
    queues: tuple[str, ...]
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Logged:
    """A decision as it is written down."""

    queue: str
    acted: bool
    from_size: int
    to_size: int
    need: float
    reason: str
    ready: int
    busy: int
    alive: int
    oldest_age: float
    seconds: float
    """That what follows is summed over."""
    arrived: int
    completed: int
    service_sum: float
    service_sum_sq: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the leader decided of one queue; `log` where it is worth a row."""

    queue: str
    want: int
    reason: str
    need: float
    shares: Mapping[str, int]
    ready: int
    service: float
    log: Logged | None = None


class ScalingStore(Protocol):
    """What the autoscaler asks."""

    async def orders(self) -> dict[str, Order]:
        """Return what holds for each queue of which anything was decided or said by hand."""

    async def fleet(self) -> list[FleetNode]:
        """Return the live nodes."""

    async def decide(self, node: str, verdicts: Sequence[Verdict]) -> bool:
        """Write down what `node` decided as the leader; False, and nothing written, where it does not lead."""


class PostgresScaling:
    """`ScalingStore` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def orders(self) -> dict[str, Order]:
        """See `ScalingStore.orders`."""
        orders = {}
        for row in await self._run("scaling_orders"):
            if row.want is None:
                orders[row.queue] = Order(row.queue, paused=row.paused, scale=row.scale)
                continue
            shares = _mapping(row.shares)
            orders[row.queue] = Order(
                row.queue, row.want, row.reason, row.need, shares, row.ready, row.service, row.age, row.paused, row.scale
            )
        return orders

    async def fleet(self) -> list[FleetNode]:
        """See `ScalingStore.fleet`."""
        return [FleetNode(row.node, tuple(row.queues), _mapping(row.status)) for row in await self._run("scaling_fleet")]

    async def decide(self, node: str, verdicts: Sequence[Verdict]) -> bool:
        """See `ScalingStore.decide`."""
        log = [asdict(verdict.log) for verdict in verdicts if verdict.log is not None]
        params = {
            "node": node,
            "queues": [verdict.queue for verdict in verdicts],
            "wants": [verdict.want for verdict in verdicts],
            "reasons": [verdict.reason for verdict in verdicts],
            "needs": [verdict.need for verdict in verdicts],
            "shares": [json.dumps(dict(verdict.shares)) for verdict in verdicts],
            "readies": [verdict.ready for verdict in verdicts],
            "services": [verdict.service for verdict in verdicts],
            "log": json.dumps(log),
        }
        return bool(await self._run("scaling_decide", params))

    async def _run(self, name: str, params: dict[str, Any] | None = None) -> list[Any]:
        from tidegate.store.pool import fetch  # noqa: PLC0415 - 0.2 s of import that whoever only looks does not pay

        with calling("autoscaler"):
            async with self._engine.begin() as connection:
                return await fetch(connection, name, params)


def _mapping(text: str | None) -> dict[str, Any]:
    """Return what a text of JSON holds; nothing where it is no object, for anybody may have written it."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
