"""What stands between a simulated node and the world: freezing, killing, outages, lost answers, lost and doubled wake-ups.

A process that is frozen runs nothing; on a shared loop its tasks cannot be held, but all that they can do to the world goes through
a gate, so that from outside it is the same. A node that is killed is one that never thaws.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from tidegate.circuit import Change, CircuitPlan, Good, Report
from tidegate.errors import DatabaseUnreachable
from tidegate.jobs import Job, State
from tidegate.lifecycle import Ack
from tidegate.runtime.heartbeat import Beats
from tidegate.runtime.node_lease import NodeLease
from tidegate.store.listener import Notification
from tidegate.store.protocol import Claim, Exchange, Line, Places, Store, Suspect
from tidegate.store.scaling import FleetNode, Order, ScalingStore, Verdict
from tidegate.supervision import spawn
from tidegate.testing.memory import MemoryStore

__all__ = ["Faults", "FaultyScaling", "FaultyStore", "Gate", "LoopHeartbeat", "Weather"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong, as probabilities of one call or one notification."""

    before: float = 0.02
    """The call fails, and nothing happened."""
    after: float = 0.02
    """The call took effect, and its answer is lost."""
    slow: float = 0.05
    """The call takes up to two seconds instead of milliseconds."""
    lost: float = 0.2
    """A notification never arrives."""
    doubled: float = 0.1
    """A notification arrives twice."""


class Weather:
    """What all nodes share: whether the database can be reached at all, and how often a single call goes wrong."""

    def __init__(self, rng: Random, faults: Faults) -> None:
        self.rng = rng
        self.faults = faults
        self.away = False
        self.gates: dict[str, Gate] = {}
        """By the identity that a node gave itself."""

    def calm(self) -> None:
        """Nothing goes wrong from here on."""
        self.faults = Faults(0.0, 0.0, 0.0, 0.0, 0.0)
        self.away = False

    def happens(self, probability: float) -> bool:
        """Throw the dice."""
        return self.rng.random() < probability

    def delay(self) -> float:
        """Return the seconds of one way to the database or back."""
        return self.rng.uniform(0.0, 1.0) if self.happens(self.faults.slow) else self.rng.uniform(0.0, 0.004)


class Gate:
    """One node's way to the world: open, shut (frozen, killed), or broken (the simulation is over)."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._broken = False

    @property
    def shut(self) -> bool:
        """Tell whether nothing passes now."""
        return not self._open.is_set()

    def close(self) -> None:
        """Let nothing pass."""
        self._open.clear()

    def open(self) -> None:
        """Let everything pass."""
        self._open.set()

    def demolish(self) -> None:
        """Let whoever waits find the database away, so that a killed node's tasks can be swept up."""
        self._broken = True
        self._open.set()

    async def passed(self) -> None:
        """Return when the node runs."""
        await self._open.wait()
        if self._broken:
            raise DatabaseUnreachable("the simulation is over")


class _Faulty:
    """Calls through a gate and the weather."""

    def __init__(self, gate: Gate, weather: Weather) -> None:
        self._gate = gate
        self._weather = weather

    async def _call(self, verb: Callable[[], Awaitable[T]]) -> T:
        weather = self._weather
        await self._way(weather.faults.before)
        answer = await verb()
        await self._way(weather.faults.after)
        return answer

    async def _way(self, failing: float) -> None:
        await self._gate.passed()
        await asyncio.sleep(self._weather.delay())
        await self._gate.passed()
        if self._weather.away:
            await asyncio.sleep(self._weather.rng.uniform(0.0, 1.0))
            raise DatabaseUnreachable("the database is away")
        if self._weather.happens(failing):
            raise DatabaseUnreachable("the connection broke")


class FaultyLine(_Faulty):
    """A session's line; see `Line`. Like a real one it is not used again after weather."""

    def __init__(self, inner: Line, gate: Gate, weather: Weather) -> None:
        super().__init__(gate, weather)
        self._inner = inner
        self.uncertain = inner.uncertain

    async def exchange(self, acks: Sequence[Ack], claim: Claim | None, *, now: float, reports: Sequence[Report] = ()) -> Exchange:
        """See `Line.exchange`. Acks and claim are two transactions: the first may land and the second not."""
        if not acks or claim is None:
            return await self._call(lambda: self._inner.exchange(acks, claim, now=now, reports=reports))
        acked = await self._call(lambda: self._inner.exchange(acks, None, now=now, reports=reports))
        claimed = await self._call(lambda: self._inner.exchange((), claim, now=now))
        return Exchange(acked.applied, claimed.claimed, changes=acked.changes)

    async def report(self, good: Good, reports: Sequence[Report] = ()) -> list[Change]:
        """See `Line.report`."""
        return await self._call(lambda: self._inner.report(good, reports))

    async def claim_suspects(self, n: int, *, alone: bool, alone_from: int) -> list[Job[bytes]]:
        """See `Line.claim_suspects`."""
        return await self._call(lambda: self._inner.claim_suspects(n, alone=alone, alone_from=alone_from))

    async def promote(self, n: int) -> tuple[int, Places]:
        """See `Line.promote`."""
        return await self._call(lambda: self._inner.promote(n))

    async def held(self, age: float) -> list[tuple[int, int]]:
        """See `Line.held`."""
        return await self._call(lambda: self._inner.held(age))

    async def landed(self, acks: Sequence[Ack]) -> set[tuple[int, int]]:
        """See `Line.landed`."""
        return await self._call(lambda: self._inner.landed(acks))

    async def close(self) -> None:
        """See `Line.close`."""


class FaultySubscription(_Faulty):
    """What one node hears: late, not at all, or twice."""

    def __init__(self, inner: Any, gate: Gate, weather: Weather) -> None:
        super().__init__(gate, weather)
        self._inner = inner

    async def notifications(self, tick: float) -> AsyncIterator[Notification | None]:
        """Yield what arrives."""
        async for told in self._inner.notifications(tick):
            if told is None:
                yield None
                continue
            await self._way(self._weather.faults.before)
            if self._weather.happens(self._weather.faults.lost):
                continue
            yield told
            if self._weather.happens(self._weather.faults.doubled):
                yield told

    async def close(self) -> None:
        """Hear no more."""
        await self._inner.close()


class FaultyStore(_Faulty):
    """One node's store: any verb of `Store`, through the gate and the weather."""

    def __init__(self, inner: MemoryStore, gate: Gate, weather: Weather) -> None:
        super().__init__(gate, weather)
        self._inner = inner

    async def line(self, queue: str, *, node: str, kinds: Sequence[str], circuits: CircuitPlan | None = None) -> FaultyLine:
        """See `Store.line`."""
        self._weather.gates[node] = self._gate
        line = await self._call(lambda: self._inner.line(queue, node=node, kinds=kinds, circuits=circuits))
        return FaultyLine(line, self._gate, self._weather)

    async def subscribe(self) -> FaultySubscription:
        """Listen."""
        return FaultySubscription(await self._call(self._inner.subscribe), self._gate, self._weather)

    async def rescue(self, node: str, decide: Callable[[Sequence[Suspect]], Sequence[Ack]]) -> list[tuple[Suspect, State]]:
        """See `Store.rescue`."""
        return await self._call(lambda: self._inner.rescue(node, decide))

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        """Return any other verb, unreliable."""
        reliable = getattr(self._inner, verb)
        return lambda *args, **kwargs: self._call(lambda: reliable(*args, **kwargs))


class FaultyScaling(_Faulty):
    """One node's way to what is decided of sizes; see `ScalingStore`."""

    def __init__(self, inner: ScalingStore, gate: Gate, weather: Weather) -> None:
        super().__init__(gate, weather)
        self._inner = inner

    async def orders(self) -> dict[str, Order]:
        """See `ScalingStore.orders`."""
        return await self._call(self._inner.orders)

    async def fleet(self) -> list[FleetNode]:
        """See `ScalingStore.fleet`."""
        return await self._call(self._inner.fleet)

    async def decide(self, node: str, verdicts: Sequence[Verdict]) -> bool:
        """See `ScalingStore.decide`."""
        return await self._call(lambda: self._inner.decide(node, verdicts))


class LoopHeartbeat:
    """The heartbeat of one identity as a task of the loop, since a simulation has no threads; the same `Beats` decide."""

    def __init__(
        self,
        lease: NodeLease,
        store: Store,
        *,
        status: Callable[[], str | None],
        on_lost: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._lease = lease
        self._store = store
        self._status = status
        self._on_lost = on_lost
        self._on_failed = on_failed
        self._beats = Beats(lease)
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """See `Beating.started`."""
        return self._task is not None

    def steady(self) -> bool:
        """See `Beats.steady`."""
        return self._beats.steady()

    def start(self) -> None:
        """Begin to beat."""
        self._task = spawn(self._beat(), name="heartbeat")

    def stop(self) -> None:
        """Beat no more."""
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        while True:
            sent = self._lease.clock()
            try:
                alive = await self._store.heartbeat(self._lease.node, lease=self._lease.lease, status=self._status())
            except DatabaseUnreachable as error:
                pause = self._beats.failed()
                self._on_failed(str(error))
            else:
                if not alive:
                    return self._on_lost()
                pause = self._beats.confirmed(sent)
            await asyncio.sleep(pause)
