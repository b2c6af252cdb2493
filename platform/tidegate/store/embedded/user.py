"""The face of the embedded server: a context manager that has a PostgreSQL while it is open."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import errors, sql

from tidegate.errors import DatabaseUnreachable, UsageError
from tidegate.store.embedded import cluster, trouble
from tidegate.store.embedded.launch import STEP
from tidegate.store.embedded.membership import Membership, membership_of
from tidegate.store.embedded.site import Running, Site, open_site

__all__ = ["EmbeddedPostgres"]

log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A PostgreSQL in `folder` (a project's `.tidegate/`), there from enter to exit.

    Entering makes folder, cluster and database if need be and starts the server, or joins the one that runs. While anybody is in,
    a server that dies comes back at the same address. Leaving ends the server if nobody else uses it, and returns only once it is
    down then; a process that was killed has left. `on_progress` gets sentences while entering takes its time; `binaries` is a bin
    folder to use instead of the best one there is.
    """

    conninfo: str
    server_version: str
    data: Path

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "tidegate",
        on_progress: Callable[[str], None] | None = None,
        binaries: Path | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        self.folder = Path(folder)
        self.database = database
        self.binaries = binaries
        self.start_timeout = start_timeout
        self._say = on_progress or log.debug
        self._membership: Membership | None = None

    def __enter__(self) -> Self:
        """Return this server, answering."""
        if self._membership is not None:
            raise UsageError(
                f"{self!r} is open already", hint="make another EmbeddedPostgres of the same folder: they share a server"
            )
        membership = membership_of(open_site(self.folder))
        deadline = time.monotonic() + self.start_timeout
        running = membership.enter(binaries=self.binaries, seconds=self.start_timeout, say=self._say)
        try:
            self.server_version = self._open_database(running, deadline)
        except BaseException:
            membership.leave()
            raise
        self.conninfo = cluster.conninfo(running.socket, self.database)
        self.data = running.data
        self._membership = membership
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave; the server is down afterwards unless others use it."""
        membership, self._membership = self._membership, None
        if membership is not None:
            membership.leave()

    def __repr__(self) -> str:
        return f"<EmbeddedPostgres {self.folder} {self.conninfo if self._membership else 'outside'}>"

    @property
    def url(self) -> str:
        """The same address for SQLAlchemy."""
        return self.conninfo.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def log(self) -> Path:
        """What server and keeper write."""
        return Site(self.folder.resolve()).log

    def _open_database(self, running: Running, deadline: float) -> str:
        """Make the database if it does not exist; return the server's version. Outlasts a server that is being restarted."""
        address = cluster.conninfo(running.socket, "postgres")
        while True:
            try:
                with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                    return self._make_database(connection)
            except errors.DiskFull as error:
                free = trouble.free_bytes(running.data)
                raise trouble.server_failed("no database was made", [str(error)], log=self.log, free=free) from error
            except psycopg.OperationalError as error:
                if time.monotonic() >= deadline:
                    raise DatabaseUnreachable(
                        f"the embedded PostgreSQL of {self.folder} does not take connections: {str(error).strip()}",
                        hint=f"look at {self.log} and try again, or {trouble.ELSEWHERE}",
                    ) from error
                time.sleep(STEP)

    def _make_database(self, connection: psycopg.Connection) -> str:
        question = "SELECT current_setting('server_version'), EXISTS (SELECT FROM pg_database WHERE datname = %s)"
        version, exists = connection.execute(question, [self.database]).fetchone() or ("", False)
        if not exists:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                log.debug("another user made database %s a moment ago", self.database)
        return str(version).split()[0]
