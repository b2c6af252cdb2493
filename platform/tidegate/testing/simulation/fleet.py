"""One simulated node: a QueueSupervisor whose ways out lead through a gate."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final

from tidegate.handlers import Handlers
from tidegate.lifecycle import Ack
from tidegate.runtime.host import Limits
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.ports import Ports
from tidegate.runtime.queue_supervisor import QueueSupervisor
from tidegate.settings import Settings
from tidegate.testing.memory import MemoryDatabase, MemoryScaling, MemoryStore
from tidegate.testing.simulation.gate import FaultyScaling, FaultyStore, Gate, LoopHeartbeat, Weather

__all__ = ["LEASE", "SETTINGS", "SimNode"]

LEASE: Final = 9.0  # seconds
SETTINGS: Final = Settings(
    jobs=("tidegate.testing.simulation.workload",),
    lease=LEASE,
    poll=0.8,
    drain_timeout=5,
    defaults={
        "timeout": 20,
        "backoff": {"kind": "constant", "base": 0.5, "jitter": 0.1},
        "poison_after": 50,
        "circuit": {"open_for": 1, "open_cap": 3, "ramp": 0.5},  # short, so that what they hold back ends with the simulation
    },
    queues={
        "light": {"consumers": {"min": 1, "max": 4}, "demand": {"max": 2}},
        "heavy": {"consumers": {"min": 0, "max": 2}, "demand": {"max": 4}},
    },
)


class NoTransactions:
    """Simulated handlers do not touch a database."""

    def begin(self, *, is_async: bool) -> Any:  # noqa: ARG002 - the protocol's
        """See `Transactions.begin`."""
        return _Unused()

    async def finish(self, transaction: Any, acks: Sequence[Ack], *, node: str, now: float) -> None:
        """See `Transactions.finish`: nothing was begun."""

    async def discard(self, transaction: Any) -> None:
        """See `Transactions.discard`."""

    def close(self) -> None:
        """See `Transactions.close`."""


class _Unused:
    used = False


class AmpleMachine:
    """A simulated host, whose memory and processors are never short: what they are in truth differs from run to run."""

    def look(self, dt: float, *, consumers: int, processes: Mapping[str, Iterable[int]]) -> Limits:  # noqa: ARG002 - the protocol's
        """See `Machine.look`."""
        return Limits(memory=2.0**34, total=2**35, consumers=math.inf, sizes={})


class SimNode:
    """One node of the fleet, and what is done to it."""

    def __init__(self, name: str, database: MemoryDatabase, handlers: Handlers, *, weather: Weather, rng: Random) -> None:
        self.name = name
        self.reborn = False
        self.gate = Gate()
        drift, offset = rng.uniform(0.98, 1.02), rng.uniform(0.0, 1e6)
        store = FaultyStore(MemoryStore(database), self.gate, weather)

        def heartbeat(lease: NodeLease, **voice: Any) -> LoopHeartbeat:
            return LoopHeartbeat(lease, store, **voice)  # type: ignore[arg-type]

        ports = Ports(
            store,  # type: ignore[arg-type]
            store.subscribe,
            heartbeat,
            NoTransactions(),
            scaling=FaultyScaling(MemoryScaling(database), self.gate, weather),
            machine=AmpleMachine(),
            clock=lambda: asyncio.get_running_loop().time() * drift + offset,
        )
        self.supervisor = QueueSupervisor(SETTINGS, ports=ports, handlers=handlers, seed=rng.getrandbits(32))
