"""What a node reaches the world outside its event loop by: the database in its several guises, and a clock.

`postgres_ports` are the real ones. Simulation hands in others, under which a whole node lives on one virtual-time loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tidegate.runtime.answers import Requesting
from tidegate.runtime.heartbeat import Beating, Heartbeat
from tidegate.runtime.host import Machine
from tidegate.runtime.node_lease import NodeLease, boot_time
from tidegate.runtime.runner import Transactions
from tidegate.runtime.transactions import EngineTransactions
from tidegate.store.alerts import Alerts, PostgresAlerts
from tidegate.store.database import Database
from tidegate.store.heart import Heart, accuse
from tidegate.store.listener import Notification, subscribe
from tidegate.store.postgres import PostgresStore
from tidegate.store.protocol import Accusation, Store
from tidegate.store.reach import Reach
from tidegate.store.requests import Requests
from tidegate.store.scaling import PostgresScaling, ScalingStore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["HeartbeatMaker", "Notifications", "Ports", "postgres_ports"]


class Notifications(Protocol):
    """One subscription to what the fleet tells."""

    def notifications(self, tick: float) -> AsyncIterator[Notification | None]:
        """Yield what is told from now on, None about every `tick` seconds; raises `DatabaseUnreachable` when it is lost."""

    async def close(self) -> None:
        """Hear no more."""


class HeartbeatMaker(Protocol):
    """Makes the heartbeat of one identity; the callbacks arrive on the loop that starts it."""

    def __call__(
        self,
        lease: NodeLease,
        *,
        status: Callable[[], str | None],
        on_lost: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> Beating:
        """Return a heartbeat that is not started yet."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ways out of one node."""

    store: Store
    subscribe: Callable[[], Awaitable[Notifications]]
    heartbeat: HeartbeatMaker
    transactions: Transactions
    accuse: Callable[[str, Accusation], None] | None = None
    """Declares a node dead with what it says of its end; blocks, for the watchdog's thread. None: no thread watches the loop."""
    requests: Requesting | None = None
    """Where others ask this node; blocks, for a thread of its own. None: nobody can ask."""
    alerts: Alerts | None = None
    """Where it stands what is to be told to whom. None: nobody is told anything."""
    scaling: ScalingStore | None = None
    """Where decisions on sizes stand. None: every pool stays at its max."""
    database: str = ""
    """The address under which the consumers' processes reach the database by themselves."""
    reach: Reach | None = None
    """What keeps the node from storming a database that is away. None: nothing does."""
    machine: Machine | None = None
    """What has memory and processors for consumers. None: the machine that this is."""
    clock: Callable[[], float] = boot_time
    """The clock of the node's lease: one that suspended machines and frozen processes cannot stop."""


def postgres_ports(database: Database, store: PostgresStore, handlers: AsyncEngine, reach: Reach) -> Ports:
    """Return the ways to a PostgreSQL; `handlers` is the pool of what they do through `ctx.connection`."""
    conninfo = database.conninfo

    def heartbeat(
        lease: NodeLease, *, status: Callable[[], str | None], on_lost: Callable[[], None], on_failed: Callable[[str], None]
    ) -> Heartbeat:
        return Heartbeat(lease, Heart(conninfo), status=status, on_lost=on_lost, on_failed=on_failed)

    address = database.for_application
    transactions = EngineTransactions(handlers, address)
    listen, blame = partial(subscribe, conninfo), partial(accuse, conninfo)
    alerts, scaling = PostgresAlerts(store.engine), PostgresScaling(store.engine)
    return Ports(store, listen, heartbeat, transactions, blame, Requests(conninfo), alerts, scaling, address, reach)
