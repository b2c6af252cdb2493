"""The client for async code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tidegate.client.cancelling import cancelled_in
from tidegate.client.client import Client
from tidegate.client.grouping import Grouping
from tidegate.client.intake import Subject
from tidegate.client.joining import run_in
from tidegate.client.notifier import Notifier
from tidegate.events import CLOSE_WITHIN, Events, heard
from tidegate.handlers import Call
from tidegate.jobs import NewJob
from tidegate.settings import Settings
from tidegate.store.bulk import JobStream
from tidegate.store.postgres import PostgresStore, make_engine
from tidegate.store.rows import enqueue_params, enqueued
from tidegate.store.statements import statement

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tidegate.client.blocking import BlockingTidegate
    from tidegate.client.circuits import FleetCircuits

__all__ = ["Tidegate"]


class Tidegate(Client):
    """A connection to the platform: `async with Tidegate.connect() as tide: await tide.enqueue(...)`.

    The database is the argument, else TIDEGATE_DATABASE, else DATABASE_URL, else what queues.yaml says.
    """

    def __init__(self, settings: Settings, *, pool_size: int = 5, events: Events | None = None) -> None:
        super().__init__(settings, pool_size=pool_size, events=events)
        self._store: PostgresStore | None = None
        self._notifier: Notifier | None = None
        self._grouping: Grouping | None = None

    @classmethod
    def connect(
        cls,
        database: str | None = None,
        *,
        config: str | Path | None = None,
        pool_size: int = 5,
        events: Events | None = None,
    ) -> Self:
        """Return a client for `async with`; nothing is connected before that.

        `events`: the bus on which it tells what it does; a node's (`node.events`), where both live in one process.
        """
        return cls(_settings(database, config), pool_size=pool_size, events=events)

    @staticmethod
    def connect_sync(
        database: str | None = None,
        *,
        config: str | Path | None = None,
        pool_size: int = 5,
        events: Events | None = None,
    ) -> BlockingTidegate:
        """Return the blocking client, for `with`: the same verbs without await."""
        from tidegate.client.blocking import BlockingTidegate  # noqa: PLC0415 - each client is loaded by who uses it

        return BlockingTidegate(_settings(database, config), pool_size=pool_size, events=events)

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine under it; its statements are bounded by `database_timeouts.application`."""
        return self._open_store.engine

    @property
    def circuits(self) -> FleetCircuits:
        """The fleet's circuits, to look at and to move by hand."""
        from tidegate.client.circuits import BlockingCircuits, FleetCircuits  # noqa: PLC0415 - who only enqueues does not pay for it

        return FleetCircuits(BlockingCircuits(self._conninfo, self.settings, self._intake))

    async def __aenter__(self) -> Self:
        """Open."""
        return await self.open()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def open(self) -> Self:
        """Connect, check that the schema is the expected one, and return this client; for programs without a block to stay in."""
        await asyncio.to_thread(self._database.__enter__)
        try:
            await asyncio.to_thread(self._database.check)
        except BaseException:
            await asyncio.to_thread(self._database.__exit__, None, None, None)
            raise
        self._store = PostgresStore(self._database.conninfo, make_engine(self._database.for_application, pool_size=self._pool_size))
        self._notifier = Notifier(self._store)
        return self

    async def close(self) -> None:
        """Send the notifications that wait, and let the connections go."""
        store, notifier, self._store, self._notifier = self._open_store, self._notifier, None, None
        try:
            if notifier is not None:
                await notifier.close()
            await store.close()
            if self._own_events and self.events.attached:
                await asyncio.to_thread(self.events.close, CLOSE_WITHIN)
        finally:
            await asyncio.to_thread(self._database.__exit__, None, None, None)

    async def enqueue(self, subject: Subject, /, *args: Any, connection: Any = None, check: bool = True, **kwargs: Any) -> int:
        """Enqueue one call and return its job's id.

        Durable when it returns; with `connection` it joins that transaction, and is as durable as its commit. `check=False` takes a
        kind by name whose handler cannot be imported here.
        """
        [job_id] = await self._insert([self._intake.one(subject, args, kwargs, check=check)], connection)
        return job_id

    async def enqueue_many(self, calls: Iterable[Call], *, connection: Any = None, check: bool = True) -> list[int]:
        """Enqueue many calls, all or none, and return their jobs' ids in the same order.

        A long list is checked while the database takes what came before, so leave its arguments alone until this returns.
        """
        if connection is None and self._grouping is None and self._recorder is None:
            stream = self._intake.stream(calls, check=check, keep=heard(self.events))
            if stream is not None:
                return await self._brought(stream)
        return await self._insert(self._intake.many(calls, check=check), connection)

    async def cancel(self, job_id: int) -> bool:
        """End a waiting job as cancelled, or ask a running one to end; False where it was over in another way, or there is none.

        A running job ends on whatever node it runs, within a second or two: `ctx.cancelled` is true, its coroutine is cancelled,
        its process is ended after `kill_after`. It is never tried again.
        """
        return await asyncio.to_thread(cancelled_in, self._database.conninfo, job_id)

    @asynccontextmanager
    async def batching(self) -> AsyncIterator[Self]:
        """Commit the enqueues of many tasks together: inside this block, those that are under way at once share one insert.

        Each awaited enqueue still returns only when its own job is durable, so that one task alone gains nothing.
        """
        if self._grouping is not None:  # within another such block
            yield self
            return
        self._grouping = Grouping(self._insert_now)
        try:
            yield self
        finally:
            grouping, self._grouping = self._grouping, None
            await grouping.close()

    async def _insert(self, jobs: list[NewJob], connection: Any) -> list[int]:
        if not jobs:
            return []
        if self._recorder is None:
            return await self._inserted(jobs, connection)
        with self._recorder.enqueue(jobs) as sent:
            sent.ids = ids = await self._inserted(sent.jobs, connection)
        return ids

    async def _inserted(self, jobs: list[NewJob], connection: Any) -> list[int]:
        if connection is not None:
            ids, _ = enqueued(await run_in(connection, statement("enqueue"), enqueue_params(jobs, tell=True)))
        elif self._grouping is not None:
            ids = await self._grouping.add(jobs)
        else:
            ids = await self._insert_now(jobs)
        self._announce(jobs)
        return ids

    async def _insert_now(self, jobs: list[NewJob]) -> list[int]:
        ids, places = await self._open_store.enqueue(jobs)
        if self._notifier is not None:
            self._notifier.tell(places)
        return ids

    async def _brought(self, stream: JobStream) -> list[int]:
        ids, places = await self._open_store.enqueue_stream(stream)
        if self._notifier is not None:
            self._notifier.tell(places)
        self._announce(stream.jobs)
        return ids

    def _conninfo(self) -> str:
        self._open_store  # noqa: B018 - says that this client is not connected, where it is not
        return self._database.conninfo

    @property
    def _open_store(self) -> PostgresStore:
        if self._store is None:
            raise RuntimeError("this client is not connected: use it inside `async with Tidegate.connect() as tide:`")
        return self._store


def _settings(database: str | None, config: str | Path | None) -> Settings:
    given: dict[str, Any] = {} if database is None else {"database": database}
    return Settings.load(config, **given)
