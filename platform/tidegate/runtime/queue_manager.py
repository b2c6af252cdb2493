"""One queue's subtree: session, producer, the stages of its pipeline, processes, pool, scaler, in this order (rest_for_one).

Stages there are where the queue has a pipeline, processes where its jobs run in some.

What comes later depends on what comes earlier: a session that crashed takes its producer and pool along, a consumer that crashed
nobody. Stopping goes the other way round, so that acks outlive consumers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tidegate.circuit.judge import Judge
from tidegate.events import Event, Restarted
from tidegate.fingerprint import Application
from tidegate.handlers import Handlers
from tidegate.pipelines import BatchBy
from tidegate.runtime.auto_scaler import AutoScaler
from tidegate.runtime.consumer_pool import ConsumerPool, PoolSize
from tidegate.runtime.coroner import Coroner
from tidegate.runtime.describing import Describer
from tidegate.runtime.error_tracker import ErrorTracker
from tidegate.runtime.executors import Executor
from tidegate.runtime.job_consumer import JobConsumer
from tidegate.runtime.job_producer import JobProducer
from tidegate.runtime.job_stages import JobStage
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.listener import Switchboard
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.pipeline import StageMaker, stage_makers
from tidegate.runtime.process_consumer import ProcessConsumer
from tidegate.runtime.processes.consumer_process import WARM_TIMEOUT
from tidegate.runtime.processes.process_runner import ProcessRunner
from tidegate.runtime.processes.wire import BARE, Equipment, Order
from tidegate.runtime.quarantine import Quarantine
from tidegate.runtime.queue_session import QueueSession
from tidegate.runtime.runner import Runner, Transactions
from tidegate.runtime.runs import Runs
from tidegate.runtime.settlement import Settlement
from tidegate.runtime.staffing import Staffing
from tidegate.settings import QueueSettings
from tidegate.store.protocol import Store
from tidegate.supervision import START_TIMEOUT, ChildDown, ChildSpec, DynamicSupervisor, Reason, Shutdown, Strategy, Supervisor

if TYPE_CHECKING:
    from tidegate.spans.recorder import Recorder

__all__ = ["PATIENCE", "QueueManager", "Services"]

PATIENCE: Final = 2 * WARM_TIMEOUT  # seconds for the start of whatever waits for a process to be warm


@dataclass(frozen=True, slots=True)
class Services:
    """What the queues of one node share."""

    store: Store
    handlers: Handlers
    transactions: Transactions
    switchboard: Switchboard
    runs: Runs
    quarantine: Quarantine
    application: Application
    errors: ErrorTracker
    coroner: Coroner
    circuits: KnownCircuits
    judge: Judge
    staffing: Staffing
    """How many consumers each queue is to have."""
    ran: Callable[[str, int, float], None]
    """Told of each call that has ended: the queue, how many jobs it ran, and for how long it kept its consumer busy."""
    emit: Callable[[Event], None]
    rng: Random
    spans: Recorder | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)
    database: str = ""
    modules: Sequence[str] = ()
    folder: Path = Path()
    equipment: Equipment = BARE
    """What the processes of consumers are told: how to reach the database, and which modules have the jobs, to be found where."""


class QueueManager(Supervisor):
    """Runs one queue on this node, by that queue's settings and nothing else."""

    def __init__(
        self, queue: QueueSettings, services: Services, *, lease: NodeLease, executor: Callable[[QueueSettings], Executor]
    ) -> None:
        self.queue = queue
        self._services = services
        self._lease = lease
        self._executor = executor
        self._slow = queue.executor == "process"
        describer = Describer(services.application, assign=services.errors.assign, with_locals=queue.forensics.locals)
        self._settlement = Settlement(queue, services.handlers, services.rng, describer, services.coroner, judge=services.judge)
        line = services.handlers.pipeline(queue.name)
        steps = () if line is None else line.steps()
        makers = stage_makers(steps, queue, services.handlers, self._settlement)
        self._stages = tuple(name for name, _ in makers)
        self._batches = bool(steps) and isinstance(steps[-1], BatchBy)
        children = [
            ChildSpec("session", self._session, shutdown=queue.drain_timeout),
            ChildSpec("producer", self._producer),
            *(ChildSpec(name, partial(self._stage, place, make)) for place, (name, make) in enumerate(makers)),
            ChildSpec("pool", self._pool, shutdown=None, start_timeout=PATIENCE if self._slow else START_TIMEOUT),
            ChildSpec("scaler", lambda: AutoScaler(services.staffing[queue.name], self.pool)),
        ]
        if self._slow:
            children.insert(-2, ChildSpec("processes", lambda: DynamicSupervisor(name=f"{queue.name}.processes")))
        super().__init__(
            children,
            strategy=Strategy.REST_FOR_ONE,
            name=queue.name,
            on_restart=lambda child: self._restarted(f"{queue.name}.{child}"),
        )

    @property
    def session(self) -> QueueSession:
        """The queue's session."""
        session: QueueSession = self.child("session")
        return session

    @property
    def pool(self) -> ConsumerPool:
        """The queue's pool."""
        pool: ConsumerPool = self.child("pool")
        return pool

    def size(self) -> PoolSize:
        """Return the size of the queue's pool now; nothing while it is restarted or stopped, which is no crash of whoever asks."""
        try:
            return self.pool.size()
        except ChildDown:
            return PoolSize(alive=0, busy=0, target=0)

    def unstarted(self) -> int:
        """Return how many jobs its consumers hold that they have not started."""
        try:
            return sum(consumer.waiting for consumer in self.pool.consumers())
        except ChildDown:
            return 0

    def pids(self) -> list[int]:
        """Return the ids of its consumers' processes."""
        try:
            consumers = self.pool.consumers()
        except ChildDown:
            return []
        return [each.pid for each in consumers if isinstance(each, ProcessConsumer) and each.pid is not None]

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Claim nothing more, let consumers finish their call, hand back the rest, flush the acks."""
        self.drain()
        await super().stop(reason, timeout)

    def drain(self) -> None:
        """Claim nothing more from here on."""
        if any(info.id == "session" and info.state == "up" for info in self.which_children()):
            self.session.drain()

    def _session(self) -> QueueSession:
        services = self._services
        session = QueueSession(
            self.queue,
            store=services.store,
            lease=self._lease,
            kinds=services.handlers.kinds(),
            quarantine=services.quarantine,
            circuits=services.circuits,
            emit=services.emit,
            rng=services.rng,
        )
        services.switchboard.connect(self.queue.name, session)
        return session

    def _producer(self) -> JobProducer:
        return JobProducer(self.session)

    def _stage(self, place: int, make: StageMaker) -> JobStage[Any]:
        return make(self._source(place), self.session)

    def _source(self, place: int) -> Any:
        """Return what stands before the stage at `place` (behind the last one: before the pool)."""
        return self.child(("producer", *self._stages)[place])

    def _pool(self) -> ConsumerPool:
        queue, services, settlement = self.queue, self._services, self._settlement
        source = self._source(len(self._stages))
        common: dict[str, Any] = {
            "session": self.session,
            "lease": self._lease,
            "circuits": services.circuits,
            "emit": services.emit,
            "ran": services.ran,
            "batches": self._batches,
        }

        def consumer(number: int) -> JobConsumer:
            return JobConsumer(number, queue, source, runner=runner, **common)

        def process_consumer(number: int) -> JobConsumer:
            return ProcessConsumer(number, queue, source, runner=self._process_runner(number, settlement), **common)

        if self._slow:
            make = process_consumer
        else:
            make, executor, transactions = consumer, self._executor(queue), services.transactions
            runner = Runner(
                settlement,
                services.handlers,
                executor=executor,
                transactions=transactions,
                runs=services.runs,
                node=self._lease.node,
                spans=services.spans,
                clock=asyncio.get_running_loop().time,
            )
        return ConsumerPool(
            queue.name,
            make,
            size=services.staffing[queue.name].size,
            start_timeout=PATIENCE if self._slow else None,
            drain_timeout=queue.drain_timeout,
            emit=services.emit,
            on_restart=lambda child: self._restarted(f"{queue.name}.pool.{child}"),
        )

    def _process_runner(self, number: int, settlement: Settlement) -> ProcessRunner:
        queue, services = self.queue, self._services
        order = Order(
            queue.name, self._lease.node, services.database, services.modules, str(services.folder), queue.timeout,
            queue.kill_after, queue.max_attempts, queue.backoff, queue.poison_after, queue.max_result, queue.memory,
            queue.forensics.locals, seed=0, traced=services.spans is not None, exceptions=services.judge.written(),
            equipment=services.equipment,
            versions=services.versions,
        )  # fmt: skip
        return ProcessRunner(
            f"{queue.name}.process-{number}",
            queue,
            order,
            handlers=services.handlers,
            settlement=settlement,
            processes=self.child("processes"),
            runs=services.runs,
            emit=services.emit,
            rng=services.rng,
            spans=services.spans,
        )

    def _restarted(self, child: str) -> None:
        self._services.emit(Restarted(child))
