"""A node as far as metrics and health look at one: the real event bus, and parts whose state a test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from tidegate.circuit import CircuitPlan
from tidegate.events import Events
from tidegate.observe.labels import KINDS
from tidegate.runtime.consumer_pool import PoolSize
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.listener import Switchboard
from tidegate.runtime.loop_lag import LoopLag
from tidegate.runtime.runs import Runs
from tidegate.store.reach import Reach
from tidegate.supervision import ChildDown


@dataclass
class Session:
    owed: int = 0
    connected: bool = True
    draining: bool = False

    def describe(self):
        return {"owed": self.owed}


@dataclass
class Queue:
    """A queue's manager; one that is `restarting` has no session and no pool at this moment."""

    pool: PoolSize = field(default_factory=lambda: PoolSize(0, 0, 0))
    inner: Session = field(default_factory=Session)
    restarting: bool = False

    @property
    def session(self):
        if self.restarting:
            raise ChildDown("session", "restarting")
        return self.inner

    def size(self):
        if self.restarting:
            raise ChildDown("pool", "restarting")
        return self.pool


class Stage:
    """Stands in for a Node and its QueueSupervisor."""

    def __init__(
        self, *queues: str, declared: tuple[str, ...] = (), kinds: tuple[str, ...] = ("mail:send",), limit: int = KINDS
    ) -> None:
        self.events = Events()
        self.queues = queues or ("email",)
        self.node = "host-1-abc"
        self.settings = SimpleNamespace(
            queue_names=declared or self.queues,
            metrics=SimpleNamespace(kinds=limit),
            notifications=(SimpleNamespace(name="ops", active=True),),
        )
        self.handlers = SimpleNamespace(kinds=lambda: kinds)
        self.managers = {queue: Queue() for queue in self.queues}
        self.reach: Reach | None = None
        self.leading = self.draining = False
        self.lag = LoopLag()
        self.runs = Runs()
        self.switchboard = Switchboard(self.runs)
        self.snapshot = None
        self.scaling = SimpleNamespace(needs={})
        self.left = 20.0
        self.circuits = KnownCircuits(CircuitPlan())
        self.lease = SimpleNamespace(remaining=lambda: self.left)

    @property
    def supervisor(self):
        return self

    @property
    def broken(self):
        return tuple(queue for queue in self.queues if queue not in self.managers)


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Return a metric's samples of that very name, by their label values in alphabetical order of the labels."""
    found = [sample for family in registry.collect() for sample in family.samples if sample.name == name]
    return {tuple(str(sample.labels[label]) for label in sorted(sample.labels)): sample.value for sample in found}
