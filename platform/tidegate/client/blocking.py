"""The client for blocking code: the verbs of `Tidegate` without await."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from psycopg import Connection, Rollback

from tidegate.client.cancelling import cancelled_in
from tidegate.client.client import Client
from tidegate.client.intake import Subject
from tidegate.client.joining import run_in_blocking
from tidegate.events import CLOSE_WITHIN, Events, heard
from tidegate.handlers import Call
from tidegate.jobs import NewJob
from tidegate.settings import Settings
from tidegate.store.bulk import COPY_FROM, JobStream, copy_jobs_blocking
from tidegate.store.lanes import BlockingLanes
from tidegate.store.protocol import Places
from tidegate.store.rows import enqueue_params, enqueued, insert_of, payloads
from tidegate.store.statements import statement
from tidegate.store.weather import calling

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tidegate.client.circuits import BlockingCircuits

__all__ = ["BlockingTidegate"]

_NOT_CONNECTED = "this client is not connected: use it inside `with Tidegate.connect_sync() as tide:`"


class BlockingTidegate(Client):
    """A connection to the platform: `with Tidegate.connect_sync() as tide: tide.enqueue(...)`. Safe to share between threads."""

    def __init__(self, settings: Settings, *, pool_size: int = 5, events: Events | None = None) -> None:
        super().__init__(settings, pool_size=pool_size, events=events)
        self._engine: Engine | None = None
        self._making = threading.Lock()
        self._lanes: BlockingLanes | None = None

    @property
    def engine(self) -> Engine:
        """An SQLAlchemy engine over the same database; made, and SQLAlchemy imported, when it is first asked for.

        Its statements are bounded by `database_timeouts.application`.
        """
        if self._lanes is None:
            raise RuntimeError(_NOT_CONNECTED)
        with self._making:
            if self._engine is None:
                from tidegate.store.pool import blocking_engine  # noqa: PLC0415 - 0.2 s of import, paid by who wants an engine

                self._engine = blocking_engine(self._database.for_application, pool_size=self._pool_size, overflow=10)
            return self._engine

    @property
    def circuits(self) -> BlockingCircuits:
        """See `Tidegate.circuits`."""
        from tidegate.client.circuits import BlockingCircuits  # noqa: PLC0415 - who only enqueues does not pay for it

        return BlockingCircuits(self._conninfo, self.settings, self._intake)

    def __enter__(self) -> Self:
        """Open."""
        return self.open()

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Close."""
        self.close()

    def open(self) -> Self:
        """Connect, check that the schema is the expected one, and return this client; for programs without a block to stay in."""
        self._database.__enter__()
        try:
            self._database.check()
        except BaseException:
            self._database.__exit__(None, None, None)
            raise
        self._lanes = BlockingLanes(self._database.conninfo)
        return self

    def close(self) -> None:
        """Let the connections go."""
        lanes, engine, self._lanes, self._engine = self._open_lanes, self._engine, None, None
        try:
            lanes.close()
            if engine is not None:
                engine.dispose()
            if self._own_events:
                self.events.close(CLOSE_WITHIN)
        finally:
            self._database.__exit__(None, None, None)

    def enqueue(self, subject: Subject, /, *args: Any, connection: Any = None, check: bool = True, **kwargs: Any) -> int:
        """Enqueue one call and return its job's id; see `Tidegate.enqueue`."""
        [job_id] = self._insert([self._intake.one(subject, args, kwargs, check=check)], connection)
        return job_id

    def enqueue_many(self, calls: Iterable[Call], *, connection: Any = None, check: bool = True) -> list[int]:
        """Enqueue many calls, all or none, and return their jobs' ids in the same order; see `Tidegate.enqueue_many`."""
        if connection is None and self._recorder is None:
            stream = self._intake.stream(calls, check=check, keep=heard(self.events))
            if stream is not None:
                return self._brought(stream)
        return self._insert(self._intake.many(calls, check=check), connection)

    def cancel(self, job_id: int) -> bool:
        """See `Tidegate.cancel`."""
        return cancelled_in(self._database.conninfo, job_id)

    def _conninfo(self) -> str:
        self._open_lanes  # noqa: B018 - says that this client is not connected, where it is not
        return self._database.conninfo

    @property
    def _open_lanes(self) -> BlockingLanes:
        if self._lanes is None:
            raise RuntimeError(_NOT_CONNECTED)
        return self._lanes

    def _insert(self, jobs: list[NewJob], connection: Any) -> list[int]:
        if not jobs:
            return []
        if self._recorder is None:
            return self._inserted(jobs, connection)
        with self._recorder.enqueue(jobs) as sent:
            sent.ids = ids = self._inserted(sent.jobs, connection)
        return ids

    def _inserted(self, jobs: list[NewJob], connection: Any) -> list[int]:
        if connection is None and len(jobs) >= COPY_FROM:
            return self._brought(JobStream.of(jobs))
        if connection is not None:
            ids, _ = enqueued(run_in_blocking(connection, statement("enqueue"), enqueue_params(jobs, tell=True)))
        else:
            with calling("enqueue"), self._open_lanes.lane() as own:
                ids, places = enqueued(own.execute(*insert_of(jobs)).fetchall())
                _tell(own, places)
        self._announce(jobs)
        return ids

    def _brought(self, stream: JobStream) -> list[int]:
        with calling("enqueue"), self._open_lanes.lane() as own:
            with own.transaction():
                ids, places = copy_jobs_blocking(own, stream)
                if stream.error is not None:
                    raise Rollback  # ends the block in silence: the connection is as good as before
            if stream.error is None:
                _tell(own, places)
        if stream.error is not None:
            raise stream.error
        self._announce(stream.jobs)
        return ids


def _tell(connection: Connection[Any], places: Places) -> None:
    if places:
        connection.execute(statement("notify"), {"payloads": payloads(places)})
