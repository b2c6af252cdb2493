"""What a node's autoscaling is made of, put together: the posts of its queues, the desks of all, and who sits at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Final, Protocol

from tidegate.backoff import exponential
from tidegate.events import Event
from tidegate.runtime.fleet_scaler import FleetScaler
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.listener import Switchboard
from tidegate.runtime.maintenance import Snapshot
from tidegate.runtime.node_status import Done, pools_now
from tidegate.runtime.ports import Ports
from tidegate.runtime.queue_desk import Desk
from tidegate.runtime.queue_manager import QueueManager
from tidegate.runtime.staffing import Staffing
from tidegate.settings import Settings
from tidegate.store.health import Health
from tidegate.supervision import ChildSpec, Supervisor

__all__ = ["NodeScaling"]

RETRY: Final = exponential(base=1, factor=2, cap=60)


class _Node(Protocol):
    """What the autoscaler asks of the node that it belongs to."""

    @property
    def node(self) -> str: ...
    @property
    def leading(self) -> bool: ...
    @property
    def snapshot(self) -> Snapshot | None: ...
    @property
    def managers(self) -> dict[str, QueueManager]: ...
    @property
    def circuits(self) -> KnownCircuits: ...


class NodeScaling:
    """The autoscaling of one node. Raises BadPolicy where the policy of a declared queue cannot be made."""

    def __init__(self, settings: Settings, queues: Sequence[str], ports: Ports, done: Done) -> None:
        self.staffing = Staffing(map(settings.queue, queues), acts=ports.scaling is not None)
        self._desks = {name: Desk(settings.queue(name)) for name in settings.queue_names}
        self._ports = ports
        self._done = done
        self._scaler: FleetScaler | None = None

    @property
    def needs(self) -> Mapping[str, float]:
        """Consumers that each queue needs over the fleet, before any limit; empty where this node does not lead."""
        return {} if self._scaler is None else self._scaler.needs

    def children(
        self,
        node: _Node,
        switchboard: Switchboard,
        *,
        emit: Callable[[Event], None],
        rng: Random,
        on_restart: Callable[[str], None],
    ) -> Iterator[ChildSpec]:
        """Yield the child that decides; none where decisions have no place to stand.

        However often it crashes, it is tried again and takes nobody along: pools stay as they are meanwhile, and jobs run.
        """
        scaling = self._ports.scaling
        if scaling is None:
            return

        def health() -> Health | None:
            return None if node.snapshot is None else node.snapshot.health

        def scaler() -> FleetScaler:
            self._scaler = FleetScaler(
                self.staffing,
                self._desks,
                store=self._ports.store,
                scaling=scaling,
                node=lambda: node.node,
                leading=lambda: node.leading,
                managers=lambda: node.managers,
                pools=lambda: pools_now(node.managers, self._done, self.staffing),
                health=health,
                circuits=node.circuits,
                emit=emit,
                rng=rng,
                host=self._ports.machine,
            )
            made = self._scaler
            switchboard.connect_scaler(lambda queue, ready: made.poke(queue, ready=ready))
            return made

        spec = ChildSpec("scaler", scaler, backoff=RETRY)
        yield ChildSpec("scaling", lambda: Supervisor((spec,), intensity=None, name="scaling", rng=rng, on_restart=on_restart))
