"""Whole nodes on one virtual-time loop, over one database in memory, with faults drawn from a seed.

Everything a node is made of runs here but its threads and processes: supervisors, sessions, producers, pools, the registry, rescue,
leadership. The same seed gives the same story. `simulate` plays one, and raises `Broken` with its story where an invariant broke or
where, in calm weather at the end, a job did not come to its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from tidegate.events import Acked, Claimed, ConsumersChanged, Event, NodeDown, QueueDepth, Restarted
from tidegate.handlers import Call, Handlers
from tidegate.jobs import Job, NewJob
from tidegate.lifecycle import Ack
from tidegate.runtime.consumer_pool import ConsumerPool
from tidegate.store.protocol import Applied, NodeRow
from tidegate.supervision import ChildState, spawn
from tidegate.testing.loop import run_virtual
from tidegate.testing.memory import MemoryDatabase, Row
from tidegate.testing.simulation import workload
from tidegate.testing.simulation.fleet import LEASE, SETTINGS, SimNode
from tidegate.testing.simulation.gate import Faults, Weather
from tidegate.testing.simulation.referee import Referee
from tidegate.testing.simulation.watched import watched

__all__ = ["Broken", "World", "simulate"]

NODES: Final = 3
STORM: Final = 60.0  # seconds with faults
CALM: Final = 180.0  # seconds without; as long may nothing end while jobs are left (time-outs and circuits add up)
_OF_IDENTITY: Final = ("registry", "queues", "leader", "scaling")
_QUIET = (Acked, Claimed, ConsumersChanged, QueueDepth)


class Broken(AssertionError):
    """An invariant broke; the story says how it came to that."""

    def __init__(self, seed: int, what: str, story: Sequence[str]) -> None:
        super().__init__(f"seed {seed}: {what}\n  " + "\n  ".join(story[-60:]))
        self.seed = seed
        self.what = what
        self.story = list(story)


class World:
    """One simulation."""

    def __init__(self, seed: int, *, database: type[MemoryDatabase] = MemoryDatabase, faults: Faults | None = None) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.story: list[str] = []
        self.referee = Referee()
        self.weather = Weather(Random(seed + 1), faults or Faults())
        self.database = watched(database, self)
        self.nodes: list[SimNode] = []
        self._killed: list[SimNode] = []
        self._names: dict[str, str] = {}
        self._holders: dict[tuple[int, int], str] = {}
        self._handlers = Handlers(SETTINGS.jobs)
        self._made = 0
        self._wounded: set[str] = set()

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return asyncio.get_running_loop().time()

    def tell(self, line: str) -> None:
        """Go on with the story."""
        self.story.append(f"{self.now():8.3f}  {self._named(line)}")

    def happened(self, node: SimNode, event: Event) -> None:
        """A node's event."""
        if isinstance(event, NodeDown):
            node.reborn = True  # rest_for_one: what depends on the lost identity begins anew with the next one
        if isinstance(event, Restarted) and event.child not in self._wounded:
            if not (node.reborn and event.child in _OF_IDENTITY):
                self.referee.restarted(f"{event.child} of {node.name}")
            elif event.child == _OF_IDENTITY[-1]:
                node.reborn = False
        if not isinstance(event, _QUIET):
            self.tell(f"{node.name}: {_short(event)}")

    async def run(self, jobs: list[Job[Any]], seconds: float) -> None:
        """Play a handler: see `workload.Stage`."""
        for job in jobs:
            self.referee.started(job.id, job.lease, self._holders[job.id, job.lease])
        gate = self.weather.gates[self._holders[jobs[0].id, jobs[0].lease]]
        try:
            await asyncio.sleep(seconds)
            await gate.passed()
        finally:
            if not gate.shut:  # of a frozen node nothing is seen to end
                for job in jobs:
                    self.referee.stopped(job.id, job.lease)

    async def play(self) -> None:
        """Run the whole of it."""
        workload.play_on(self)
        for _ in range(NODES):
            await self._join_fleet()
        feeder = spawn(self._feed(), name="feeder")
        while self.now() < STORM:
            await asyncio.sleep(self.rng.uniform(0.2, 4.0))
            self._judge()
            await self._misfortune()
        self.weather.calm()
        for node in self.nodes:
            node.gate.open()
        self.tell("calm")
        await feeder
        await self._leave_in_calm()
        await self._settle_down()
        for node in self.nodes:
            await node.supervisor.stop()
        self._judge()
        for node in self._killed:
            node.gate.demolish()

    def claimed(self, rows: Sequence[Row], node: str) -> None:
        """The database gave these rows to `node`."""
        for row in rows:
            self._holders[row.id, row.lease] = node
            self.referee.claimed(row.id, row.lease, node, alive=self.database.is_alive(node))
        if rows:
            self.tell(f"{node} claimed {', '.join(f'{row.id}/{row.lease}' for row in rows)}")

    def applied(self, acks: Sequence[Ack], applied: Sequence[Applied], node: str) -> None:
        """The database applied these acks."""
        by_id = {ack.job_id: ack for ack in acks}
        for row in applied:
            ack = by_id[row.job_id]
            self.referee.applied(ack, node, row.state, alive=self.database.is_alive(node))
            if (left := self.database.jobs.get(row.job_id)) is not None:
                self.referee.attempts_are(left.id, left.attempt)
            self.tell(f"{node} {ack.word} {ack.job_id}/{ack.lease} -> {row.state}")

    def registered(self, row: NodeRow) -> None:
        """The database knows a node under a new identity."""
        self._names.setdefault(row.id, f"n{len(self._names)}")

    async def _join_fleet(self) -> None:
        self._made += 1
        node = SimNode(f"node {self._made}", self.database, self._handlers, weather=self.weather, rng=self.rng)
        node.supervisor.events.subscribe(lambda event: self.happened(node, event))
        self.tell(f"{node.name} starts")
        self.nodes.append(node)
        await node.supervisor.start()

    async def _feed(self) -> None:
        """Enqueue through a client that is never in trouble; its notifications may be."""
        rng = self.rng
        while self.now() < STORM * 0.9:
            await asyncio.sleep(rng.expovariate(1.0))
            jobs = [self._new_job() for _ in range(rng.randint(1, 5))]
            ids, places = self.database.enqueue(jobs)
            self.referee.enqueued.update(ids)
            self.tell(f"enqueued {', '.join(map(str, ids))}")
            if not self.weather.happens(self.weather.faults.lost):
                self.database.tell(places)

    def _new_job(self) -> NewJob:
        rng = self.rng
        kinds: list[tuple[Callable[..., Any], dict[str, Any]]] = [
            (workload.work, {"seconds": rng.choice([0.01, 0.01, 0.2, 0.2, 3.0, 3.0, 12.0, 25.0])}),
            (workload.flaky, {"failures": rng.randint(0, 3)}),
            (workload.doomed, {}),
            (workload.patient, {}),
            (workload.grouped, {"seconds": rng.choice([0.05, 1.0])}),
        ]
        function, arguments = rng.choice(kinds)
        priority, delay = rng.choice([-5, 0, 0, 0, 5]), rng.choice([0.0, 0.0, 0.0, 4.0])
        return Call(function, kwargs=arguments).options(priority=priority, delay=delay).new_job(None, default_queue="light")

    async def _misfortune(self) -> None:
        node = self.rng.choice(self.nodes)
        match self.rng.choice(["freeze", "kill", "outage", "leave", "resize", "scale", "wound", "nothing"]):
            case "freeze" if not node.gate.shut:
                seconds = self.rng.uniform(0.5, LEASE * 2.5)
                self.tell(f"{node.name} freezes for {seconds:.1f} s")
                node.gate.close()
                spawn(self._thaw(node, seconds), name="thaw")
            case "kill" if len(self.nodes) > 1:
                self.tell(f"{node.name} is killed")
                self._bury(node)
                await self._join_fleet()
            case "outage" if not self.weather.away:
                seconds = self.rng.uniform(0.5, LEASE * 1.5)
                self.tell(f"the database is away for {seconds:.1f} s")
                self.weather.away = True
                spawn(self._return(seconds), name="return")
            case "leave" if len(self.nodes) > 1 and not node.gate.shut:
                self.tell(f"{node.name} is told to stop")
                self.nodes.remove(node)
                spawn(self._leave(node), name="leave")
                await self._join_fleet()
            case "resize":
                for queue, pool in _pools(node).items():
                    size = self.rng.randint(1, 4)
                    self.tell(f"{node.name} resizes {queue} to {size}")
                    spawn(pool.resize(size), name="resize")
            case "scale":
                scaled, by_hand = self.rng.choice(sorted(SETTINGS.queue_names)), self.rng.choice([None, 0, 2, 5, 9])
                self.tell(f"somebody scales {scaled} to {'auto' if by_hand is None else by_hand}")
                self.database.scale(scaled, by_hand, seconds=self.rng.uniform(2.0, 15.0))
            case "wound":
                self._wound(node)
            case _:
                pass

    def _wound(self, node: SimNode) -> None:
        """Let a consumer crash, as a bug would."""
        for queue, pool in _pools(node).items():
            alive = [info.id for info in pool.which_children() if info.state is ChildState.UP]
            if alive:
                victim = self.rng.choice(alive)
                self._wounded.add(f"{queue}.pool.{victim}")
                self.tell(f"{node.name}: {victim} of {queue} crashes")
                pool.child(victim).kill()

    def _bury(self, node: SimNode) -> None:
        node.gate.close()
        self.nodes.remove(node)
        self._killed.append(node)

    async def _leave_in_calm(self) -> None:
        """A node that stops while nothing is wrong hands back what it has not run, and leaves nothing behind."""
        await asyncio.sleep(LEASE * 1.5)  # whatever the storm left is over
        for (
            node
        ) in self.nodes:  # so are the sizes that it gave: one consumer and a few jobs that run into their time-outs take long
            for queue, pool in _pools(node).items():
                spawn(pool.resize(SETTINGS.queue(queue).consumers.max), name="resize")
        ids, places = self.database.enqueue([self._new_job() for _ in range(40)])
        self.referee.enqueued.update(ids)
        self.database.tell(places)
        await asyncio.sleep(0.3)
        node = self.nodes.pop()
        self.tell(f"{node.name} is told to stop, in calm weather")
        await self._leave(node)
        self.referee.left_behind(node.supervisor.node, [row.id for row in self.database.held_by(node.supervisor.node)])

    async def _leave(self, node: SimNode) -> None:
        await node.supervisor.stop()
        self.tell(f"{node.name} has stopped")

    async def _thaw(self, node: SimNode, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if node in self.nodes:
            node.gate.open()
            self.tell(f"{node.name} thaws")

    async def _return(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.weather.away = False
        self.tell("the database is back")

    async def _settle_down(self) -> None:
        ended, deadline = 0, self.now() + CALM
        while self.referee.enqueued - self.referee.ended.keys() and self.now() < deadline:
            await asyncio.sleep(0.5)
            self._judge()
            if len(self.referee.ended) > ended:
                ended, deadline = len(self.referee.ended), self.now() + CALM
        self.referee.all_ended()
        self._judge()

    def _named(self, line: str) -> str:
        """Call identities by short names, which are the same in every process that plays this seed."""
        for identity, name in self._names.items():
            line = line.replace(identity, name)
        return line

    def _judge(self) -> None:
        if self.referee.violations:
            raise Broken(self.seed, self._named(self.referee.violations[0]), self.story)


def simulate(seed: int, *, database: type[MemoryDatabase] = MemoryDatabase, faults: Faults | None = None) -> World:
    """Play one simulation to its end and return what was; raises `Broken`. Another class for `database` plants a bug in it."""
    made: list[World] = []

    async def main() -> None:
        world = World(seed, database=database, faults=faults)
        made.append(world)
        try:
            await world.play()
        finally:
            for node in (*world.nodes, *world._killed):  # noqa: SLF001 - its own world
                node.gate.demolish()

    with _silence():
        run_virtual(main())
    return made[0]


def _pools(node: SimNode) -> dict[str, ConsumerPool]:
    """Return the pools that are up at this moment."""
    managers = node.supervisor.managers.items()
    up = {queue: {info.id for info in manager.which_children() if info.state is ChildState.UP} for queue, manager in managers}
    return {queue: manager.pool for queue, manager in managers if "pool" in up[queue]}


def _short(event: Event) -> str:
    """Return an event in a few words."""
    said = {name: getattr(event, name, None) for name in ("job_id", "jobs", "word", "state", "child", "node", "operation", "error")}
    return " ".join([type(event).__name__, *(f"{name}={value}" for name, value in said.items() if value is not None)])


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the nodes' logs to themselves: the story tells more, on the clock of the simulation."""
    logger = logging.getLogger("tidegate")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
