"""A whole node inside a program: a web application's lifespan, a test, or `tidegate up`.

It reads the configuration, imports the jobs modules, has the database there, and runs the QueueSupervisor. It leaves signals alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tidegate.errors import ConfigurationError, UnknownQueue
from tidegate.events import CLOSE_WITHIN, Events
from tidegate.handlers import Handlers
from tidegate.runtime.ports import postgres_ports
from tidegate.runtime.processes.wire import BARE, Equipment
from tidegate.runtime.queue_supervisor import QueueSupervisor
from tidegate.settings import Settings
from tidegate.spans import found
from tidegate.store.database import Database
from tidegate.store.pool import UNBOUNDED, make_engine
from tidegate.store.postgres import PostgresStore
from tidegate.store.protocol import SOON, Unfinished
from tidegate.store.reach import Reach
from tidegate.supervision import ChildSpec, Reason, Shutdown

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Node"]


class Node:
    """`async with Node("queues.yaml", queues=["email"]) as node: ...` runs jobs until the block is left, then drains.

    `end_process` is for whoever owns the process: the watchdog calls it, from its thread, when a job has blocked the event loop
    beyond all limits. Without it a blocked loop is logged and counted, and nothing ends. `equipment` is what such a program has in
    the processes of its consumers as well: its logging, say.
    """

    def __init__(
        self,
        config: str | Path | Settings | None = None,
        *,
        queues: Sequence[str] | None = None,
        database: str | None = None,
        drain_timeout: float | None = None,
        migrate: bool = False,
        extra: Callable[[Node], Sequence[ChildSpec]] | None = None,
        on_progress: Callable[[str], None] | None = None,
        end_process: Callable[[], None] | None = None,
        equipment: Equipment = BARE,
        seed: int | None = None,
    ) -> None:
        arguments: dict[str, Any] = {"database": database, "drain_timeout": drain_timeout}
        given = {key: value for key, value in arguments.items() if value is not None}
        self.settings = config if isinstance(config, Settings) else Settings.load(config, **given)
        self.events = Events()
        self.queues = _chosen(self.settings, queues)
        self._database = Database(
            self.settings.database,
            folder=self.settings.folder,
            timeouts=self.settings.database_timeouts,
            on_progress=on_progress,
        )
        self._migrate = migrate
        self._extra = extra
        self._end_process = end_process
        self._equipment = equipment
        self._seed = seed
        self._store: PostgresStore | None = None
        self._engine: AsyncEngine | None = None
        self._reach = Reach(attempt=self.settings.database_timeouts.connect)
        self._supervisor: QueueSupervisor | None = None
        self.handlers = Handlers(self.settings.jobs, path=self.settings.folder)
        self.handlers.check_queues(self.settings.queue_names)

    @property
    def supervisor(self) -> QueueSupervisor:
        """The supervision tree of this node."""
        if self._supervisor is None:
            raise RuntimeError("this node does not run: use it inside `async with Node(...) as node:`")
        return self._supervisor

    @property
    def database(self) -> Database:
        """The database that this node works on."""
        return self._database

    async def __aenter__(self) -> Self:
        """Have the database there, start the queues."""
        await asyncio.to_thread(self._database.__enter__)
        try:
            await asyncio.to_thread(self._database.migrate if self._migrate else self._database.check)
            self._store = await self._open()
            self._supervisor = QueueSupervisor(
                self.settings,
                ports=postgres_ports(self._database, self._store, self._handlers_engine(), self._reach),
                handlers=self.handlers,
                queues=self.queues,
                events=self.events,
                extra=self._extra(self) if self._extra is not None else (),
                end_process=self._end_process,
                equipment=self._equipment,
                spans=found(self.settings.tracing, database=self._database.conninfo),
                seed=self._seed,
            )
            await self._supervisor.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drain: claim nothing more, finish what runs, hand back the rest, flush; then let everything go."""
        try:
            await self.supervisor.stop(Shutdown(), None)
        finally:
            await self._close()

    async def join(self) -> Reason:
        """Wait until the node ends, and return why: it gave up, past its restart intensity."""
        return await self.supervisor.join()

    def kill(self) -> None:
        """Stop now: cancel what runs; its jobs are rescued, or were handed back in time."""
        self.supervisor.kill()

    async def unfinished(self) -> Unfinished:
        """Return what is left for this node to do, and what it would leave behind."""
        if self._store is None:
            raise RuntimeError("this node does not run")
        held = self.supervisor.circuits.held(asyncio.get_running_loop().time() + SOON)
        return await self._store.unfinished(self.queues, [kind for kind in self.handlers.kinds() if kind not in held], held)

    async def _open(self) -> PostgresStore:
        engine = make_engine(self._database.conninfo)
        self._reach.guard(engine)
        store = PostgresStore(self._database.conninfo, engine, reach=self._reach)
        await store.make_partitions()
        return store

    def _handlers_engine(self) -> AsyncEngine:
        """Return the pool behind `ctx.connection`: as many connections as there are handlers that ask for one."""
        self._engine = make_engine(self._database.for_application, overflow=UNBOUNDED)
        self._reach.guard(self._engine)
        return self._engine

    async def _close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
        if self._store is not None:
            await self._store.close()
        if self.events.attached:
            await asyncio.to_thread(self.events.close, CLOSE_WITHIN)
        await asyncio.to_thread(self._database.__exit__, None, None, None)


def _chosen(settings: Settings, queues: Sequence[str] | None) -> tuple[str, ...]:
    declared = tuple(settings.queue_names)
    if not declared:
        raise ConfigurationError(
            "no queues are declared", hint="write a queues.yaml (`tidegate init` makes one), or name it with --config"
        )
    for queue in queues or ():
        if queue not in declared:
            raise UnknownQueue(queue, declared)
    return tuple(dict.fromkeys(queues)) if queues else declared
