"""The composition root of a node: puts the parts together and supervises them.

    QueueSupervisor          one_for_one; past its intensity it ends, and the process with it
    |- Watchdog              a thread that watches the loop, from first to last
    |- Answers               what it says when it is asked, from a thread
    |- what the caller adds  metrics port, web: first, so that they still answer while the rest drains
    |- ErrorWriter           writes down what failed, in batches; then Notifications, under a supervisor of its own, tells it
    |- Listener              one LISTEN connection
    |- CircuitBreakers       what is known of the fleet's circuits, and the clock of those that are open
    `- Membership            rest_for_one: whoever depends on this node's identity begins anew with it
       |- WorkerRegistry     the identity: its row, its heartbeat; ends when the row was declared dead
       |- Queues             never gives up: a queue past its intensity is `broken` and retried with back-off
       |  `- email ...       QueueManager
       |- Leader             Maintenance, while this node leads
       `- FleetScaler        how many consumers each queue has: decides while this node leads, else follows

Everything below the root receives its collaborators; only here they are made.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tidegate import __version__
from tidegate.backoff import exponential
from tidegate.circuit.assignment import assign
from tidegate.events import Acked, Claimed, DeadLettered, Events, JobEnded, QueueBroken, QueueMended, Restarted
from tidegate.fingerprint import Application
from tidegate.handlers import Handlers
from tidegate.notifications.telling import telling
from tidegate.runtime.answers import Answers, Requesting
from tidegate.runtime.circuit_breakers import CircuitBreakers
from tidegate.runtime.error_tracker import ErrorTracker, ErrorWriter
from tidegate.runtime.executors import Executor, LoopExecutor, ThreadExecutor
from tidegate.runtime.forensics import Forensics
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.leader import Leader
from tidegate.runtime.listener import Listener, Switchboard
from tidegate.runtime.loop_lag import LoopLag
from tidegate.runtime.maintenance import Maintenance, Snapshot
from tidegate.runtime.node_answers import answers_of
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.node_scaling import NodeScaling
from tidegate.runtime.node_status import Done, pools
from tidegate.runtime.ports import Ports
from tidegate.runtime.processes.wire import BARE, Equipment
from tidegate.runtime.quarantine import Quarantine
from tidegate.runtime.queue_manager import PATIENCE, QueueManager, Services
from tidegate.runtime.runs import Runs
from tidegate.runtime.versions import versions_of
from tidegate.runtime.watchdog import Watchdog
from tidegate.runtime.worker_registry import WorkerRegistry
from tidegate.settings import QueueSettings, Settings
from tidegate.store.protocol import Accusation, NodeRow
from tidegate.supervision import START_TIMEOUT, ChildSpec, ChildState, Reason, Shutdown, Strategy, Supervisor

if TYPE_CHECKING:
    from tidegate.spans.recorder import Recorder

__all__ = ["QueueSupervisor"]

QUEUE_RETRY: Final = exponential(base=1, factor=2, cap=60)


class QueueSupervisor(Supervisor):
    """One node. `start()` returns when its queues run; `join()` ends with the reason when it gave up."""

    def __init__(
        self,
        settings: Settings,
        *,
        ports: Ports,
        handlers: Handlers,
        queues: Sequence[str] | None = None,
        events: Events | None = None,
        extra: Sequence[ChildSpec] = (),
        end_process: Callable[[], None] | None = None,
        spans: Recorder | None = None,
        equipment: Equipment = BARE,
        seed: int | None = None,
    ) -> None:
        self.settings = settings
        self.events = events or Events()
        self.queues = tuple(queues or settings.queue_names)
        self._ports, self._store, self.reach = ports, ports.store, ports.reach
        self._handlers, self._spans = handlers, spans
        self._rng = Random(seed)  # seeded from the system unless a test says otherwise; ids come from it, too
        if spans is not None:
            self.events.subscribe(spans.on_event, Claimed, Acked)
        self._assignment = assign(settings, handlers, rng=self._rng.random)
        self.circuits = KnownCircuits(self._assignment.plan)
        self._end_process, self._equipment = end_process, equipment
        self._done = Done()
        self.events.subscribe(self._done.on_event, JobEnded)
        self.scaling = NodeScaling(settings, self.queues, ports, self._done)
        self.runs = Runs(emit=self.events.emit, keeps_time=True)
        self.switchboard = Switchboard(self.runs)
        self.lag, self._quarantine = LoopLag(), Quarantine()
        self._threads: dict[str, ThreadExecutor] = {}
        self._draining = False
        self.asked_to_end = asyncio.Event()  # from elsewhere: whoever runs this node is to stop it
        self._lease = self._new_lease()
        self._application = Application(handlers.modules)
        self._versions = versions_of(settings)
        self.errors = ErrorTracker()
        self.events.subscribe(self.errors.on_event, JobEnded, DeadLettered)
        self._forensics = self._coroner()
        self._maintenance = Maintenance(
            store=ports.store,
            queues=settings.queue_names,
            retention=settings.retention,
            emit=self.events.emit,
            coroner=self._forensics,
        )
        membership = ChildSpec("membership", self._membership, shutdown=None, start_timeout=self._patience())
        watchdog = () if ports.accuse is None else (ChildSpec("watchdog", partial(self._watchdog, ports.accuse)),)
        answers = () if ports.requests is None else (ChildSpec("answers", partial(self._answers, ports.requests)),)
        errors, listener = ChildSpec("errors", self._error_writer), ChildSpec("listener", self._listener)
        circuits = ChildSpec("circuits", self._circuits)
        children = (*watchdog, *answers, *extra, errors, *telling(self, ports.alerts, self._rng), listener, circuits, membership)
        super().__init__(children, name="node", rng=self._rng, on_restart=self._restarted)

    @property
    def node(self) -> str:
        """This node's identity now; it changes when the fleet has declared it dead."""
        return self._lease.node

    @property
    def lease(self) -> NodeLease:
        """This node's lease now."""
        return self._lease

    @property
    def leading(self) -> bool:
        """Tell whether this node leads."""
        leader = self._find_child("leader")
        return bool(leader is not None and leader.leading)

    @property
    def snapshot(self) -> Snapshot | None:
        """The fleet's depths, where this node leads."""
        return self._maintenance.snapshot if self.leading else None

    @property
    def managers(self) -> dict[str, QueueManager]:
        """The queues that run now."""
        queues = self._find_child("queues")
        if queues is None:
            return {}
        return {info.id: queues.child(info.id) for info in queues.which_children() if info.state is ChildState.UP}

    @property
    def broken(self) -> tuple[str, ...]:
        """The queues that should run and do not; none of a node that drains, whose queues end one after the other."""
        if self._draining:
            return ()
        running = self.managers
        return tuple(queue for queue in self.queues if queue not in running)

    @property
    def draining(self) -> bool:
        """Tell whether this node claims nothing more."""
        return self._draining

    def drain(self) -> None:
        """Claim nothing more on any queue."""
        self._draining = True
        for manager in self.managers.values():
            manager.drain()

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Drain and end."""
        self.drain()
        await super().stop(reason, timeout)
        self._ports.transactions.close()
        for threads in self._threads.values():
            threads.close()

    def status(self) -> Mapping[str, Any]:
        """What this node says of itself in the fleet's table."""
        lag = self.lag.worst
        return {
            "queues": pools(self.managers, self._done, self.scaling.staffing),
            "broken": list(self.broken), "draining": self._draining, "deaf": self.switchboard.deaf,
            "config": self.settings.fingerprint, "unlike": self.circuits.unlike,
            "loop_lag": None if lag is None else round(lag, 2), **self._done.now(),
        }  # fmt: skip

    def _new_lease(self) -> NodeLease:
        name = f"{socket.gethostname()}-{os.getpid()}-{self._rng.getrandbits(24):06x}"
        return NodeLease(name, self.settings.lease, clock=self._ports.clock)

    def _watchdog(self, accuse: Callable[[str, Accusation], None]) -> Watchdog:
        return Watchdog(
            self.runs,
            self.lag,
            accuse=lambda accusation: accuse(self.node, accusation),
            end=self._end_process,
            emit=self.events.emit,
        )

    def _coroner(self) -> Forensics:
        return Forensics(
            store=self._store, queues=self.settings.queue_names, fresh=self.settings.snapshot, node=lambda: self.node,
            pools=lambda: self.status()["queues"], known=lambda: self.snapshot, errors=self.errors, versions=self._versions,
            circuit=self.circuits.describe,
        )  # fmt: skip

    def _error_writer(self) -> ErrorWriter:
        return ErrorWriter(
            self.errors, store=self._store, node=lambda: self.node, version=self._versions.app, emit=self.events.emit, rng=self._rng
        )

    def _answers(self, requests: Requesting) -> Answers:
        known = answers_of(
            self.tree, self.runs, drain=(self.drain, self.asked_to_end.set), drain_timeout=self.settings.drain_timeout
        )
        answers = Answers(lambda: self.node, requests, known, deaf=lambda: not self.switchboard.heard)
        self.switchboard.connect_node(lambda node: answers.look() if node in {None, self.node} else None)
        return answers

    def _patience(self) -> float:
        """Return how long all queues may take to start: processes, which import the jobs modules, take their time."""
        return START_TIMEOUT + PATIENCE * sum(self.settings.queue(name).executor == "process" for name in self.queues)

    def _listener(self) -> Listener:
        return Listener(self._ports.subscribe, self.switchboard, tell=self._store.notify, emit=self.events.emit, rng=self._rng)

    def _circuits(self) -> CircuitBreakers:
        self.switchboard.on_circuit = lambda: self.circuits.look()  # noqa: PLW0108 - the keeper puts its own there
        return CircuitBreakers(
            self.circuits, store=self._store, node=lambda: self.node, sessions=self.switchboard, leading=lambda: self.leading,
            emit=self.events.emit, rng=self._rng,
        )  # fmt: skip

    def _membership(self) -> Supervisor:
        children = (
            ChildSpec("registry", self._registry, shutdown=10.0),
            ChildSpec("queues", self._queue_children, shutdown=None, start_timeout=self._patience()),
            ChildSpec("leader", self._leader),
            *self.scaling.children(self, self.switchboard, emit=self.events.emit, rng=self._rng, on_restart=self._restarted),
        )
        return Supervisor(children, strategy=Strategy.REST_FOR_ONE, name="membership", rng=self._rng, on_restart=self._restarted)

    def _registry(self) -> WorkerRegistry:
        if self._lease.lost:
            self._lease = self._new_lease()
        row = NodeRow(self.node, platform.node(), os.getpid(), __version__, self.queues)
        return WorkerRegistry(
            row,
            self._lease,
            store=self._store,
            heartbeat=self._ports.heartbeat,
            kinds=self._handlers.kinds(),
            poison_after={name: self.settings.queue(name).poison_after for name in self.settings.queue_names},
            status=self.status,
            cancel=self.switchboard.cancel,
            emit=self.events.emit,
            rng=self._rng,
            coroner=self._forensics,
        )

    def _queue_children(self) -> Supervisor:
        quick_first = sorted((self.settings.queue(name) for name in self.queues), key=lambda queue: queue.executor == "process")
        specs = [
            ChildSpec(
                queue.name,
                partial(self._manager, queue),
                shutdown=None,
                start_timeout=PATIENCE if queue.executor == "process" else START_TIMEOUT,
                backoff=QUEUE_RETRY,
            )
            for queue in quick_first
        ]
        return Supervisor(
            specs, intensity=None, name="queues", rng=self._rng, on_restart=self._queue_mended, on_retry=self._queue_broken
        )

    def _manager(self, queue: QueueSettings) -> QueueManager:
        ports = self._ports
        services = Services(
            store=self._store,
            handlers=self._handlers,
            transactions=ports.transactions,
            switchboard=self.switchboard,
            runs=self.runs,
            quarantine=self._quarantine,
            application=self._application,
            errors=self.errors,
            coroner=self._forensics,
            circuits=self.circuits,
            judge=self._assignment.judge,
            staffing=self.scaling.staffing,
            ran=self._done.ran,
            emit=self.events.emit,
            rng=self._rng,
            spans=self._spans,
            versions=self._versions.as_json(),
            database=ports.database,
            modules=self.settings.jobs,
            folder=self.settings.folder,
            equipment=self._equipment,
        )
        return QueueManager(queue, services, lease=self._lease, executor=self._executor)

    def _executor(self, queue: QueueSettings) -> Executor:
        threads = self._threads.setdefault(queue.name, ThreadExecutor(queue.name, self.runs, spare=queue.consumers.max))
        return threads if queue.executor == "thread" else LoopExecutor(threads, self.runs)

    def _leader(self) -> Leader:
        return Leader(
            self._lease,
            store=self._store,
            lead=self._maintenance,
            pause=self.settings.snapshot,
            emit=self.events.emit,
            rng=self._rng,
        )

    def _find_child(self, name: str) -> Any:
        """Return a child of the membership that is up."""
        if not self._is_up(self, "membership"):
            return None
        membership = self.child("membership")
        return membership.child(name) if self._is_up(membership, name) else None

    @staticmethod
    def _is_up(supervisor: Supervisor, name: str) -> bool:
        return any(info.id == name and info.state is ChildState.UP for info in supervisor.which_children())

    def _restarted(self, child: str) -> None:
        self.events.emit(Restarted(child))

    def _queue_broken(self, queue: str, reason: Reason, seconds: float) -> None:
        self.events.emit(QueueBroken(queue, str(reason), seconds))

    def _queue_mended(self, queue: str) -> None:
        self.events.emit(QueueMended(queue))
        self.events.emit(Restarted(queue))
