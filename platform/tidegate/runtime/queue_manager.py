"""One queue's subtree: session, producer, pool, in this order (rest_for_one).

What comes later depends on what comes earlier: a session that crashed takes its producer and pool along, a consumer that crashed
nobody. Stopping goes the other way round, so that acks outlive consumers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tidegate.events import Event, Restarted
from tidegate.handlers import Handlers
from tidegate.runtime.consumer_pool import ConsumerPool, PoolSize
from tidegate.runtime.executors import Executor
from tidegate.runtime.job_consumer import JobConsumer
from tidegate.runtime.job_producer import JobProducer
from tidegate.runtime.listener import Switchboard
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.queue_session import QueueSession
from tidegate.runtime.runner import Runner, Transactions
from tidegate.runtime.runs import Runs
from tidegate.settings import QueueSettings
from tidegate.store.protocol import Store
from tidegate.supervision import ChildSpec, Reason, Shutdown, Strategy, Supervisor

if TYPE_CHECKING:
    from tidegate.spans.recorder import Recorder

__all__ = ["QueueManager", "Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """What the queues of one node share."""

    store: Store
    handlers: Handlers
    transactions: Transactions
    switchboard: Switchboard
    runs: Runs
    emit: Callable[[Event], None]
    rng: Random
    spans: Recorder | None = None


class QueueManager(Supervisor):
    """Runs one queue on this node, by that queue's settings and nothing else."""

    def __init__(
        self, queue: QueueSettings, services: Services, *, lease: NodeLease, executor: Callable[[QueueSettings], Executor]
    ) -> None:
        self.queue = queue
        self._services = services
        self._lease = lease
        self._executor = executor
        children = (
            ChildSpec("session", self._session, shutdown=queue.drain_timeout),
            ChildSpec("producer", self._producer),
            ChildSpec("pool", self._pool, shutdown=None),
        )
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
        """Return the size of the queue's pool now."""
        return self.pool.size()

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
            emit=services.emit,
            rng=services.rng,
        )
        services.switchboard.connect(self.queue.name, session)
        return session

    def _producer(self) -> JobProducer:
        return JobProducer(self.session)

    def _pool(self) -> ConsumerPool:
        queue, services, session = self.queue, self._services, self.session
        producer: JobProducer = self.child("producer")
        runner = Runner(
            queue,
            services.handlers,
            executor=self._executor(queue),
            transactions=services.transactions,
            runs=services.runs,
            node=self._lease.node,
            rng=services.rng,
            spans=services.spans,
        )

        def consumer(number: int) -> JobConsumer:
            return JobConsumer(number, queue, producer, session=session, runner=runner, lease=self._lease, emit=services.emit)

        return ConsumerPool(
            queue.name,
            consumer,
            size=queue.consumers.max,
            drain_timeout=queue.drain_timeout,
            emit=services.emit,
            on_restart=lambda child: self._restarted(f"{queue.name}.pool.{child}"),
        )

    def _restarted(self, child: str) -> None:
        self._services.emit(Restarted(child))
