"""Which database a configuration means, and having it there while it is used.

`embedded` starts or joins the PostgreSQL that comes with Tidegate and migrates it; anything else is somebody's server, which only
`tidegate up` and `tidegate db migrate` migrate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tidegate.settings.timeouts import DatabaseTimeouts
from tidegate.store import migrate as schema
from tidegate.store.connection import connect, normal_conninfo
from tidegate.store.limits import with_limits

if TYPE_CHECKING:
    from tidegate.store.embedded import EmbeddedPostgres

__all__ = ["Database"]

EMBEDDED = "embedded"


class Database:
    """A context manager: the database is reachable through `conninfo` while it is open."""

    def __init__(
        self,
        database: str,
        *,
        folder: Path,
        timeouts: DatabaseTimeouts = DatabaseTimeouts(),  # noqa: B008 - frozen
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self.embedded = database == EMBEDDED
        self._timeouts = timeouts
        self.conninfo = ""
        """The conninfo, with the limits of the platform; it holds the password, if any, so it is not for showing."""
        self.for_application = ""
        """The same with the limits for statements that are not the platform's own: those of handlers and applications."""
        if not self.embedded:
            self._lies_at(database)
        self._server: EmbeddedPostgres | None = None
        if self.embedded:
            from tidegate.store.embedded import EmbeddedPostgres  # noqa: PLC0415 - what others than its users need not import

            self._server = EmbeddedPostgres(folder / ".tidegate", on_progress=on_progress)

    def _lies_at(self, address: str) -> None:
        conninfo = normal_conninfo(address, self._timeouts)
        self.conninfo = with_limits(conninfo, self._timeouts)
        self.for_application = with_limits(conninfo, self._timeouts, application=True)

    def __enter__(self) -> Self:
        """Start or join the embedded server and migrate it; do nothing for any other."""
        if self._server is not None:
            server = self._server.__enter__()
            try:
                self._lies_at(server.conninfo)
                self.migrate()
            except BaseException:
                self._server.__exit__(None, None, None)
                raise
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Leave the embedded server; the last one that leaves ends it."""
        if self._server is not None:
            self._server.__exit__(exc_type, exc, traceback)

    def migrate(self) -> list[schema.Migration]:
        """Bring the schema up to date; return what was applied."""
        with connect(self.conninfo) as connection:
            return schema.migrate(connection)

    def check(self) -> None:
        """Raise `MigrationNeeded` unless the schema is the expected one, `DatabaseUnreachable` where nobody answers."""
        with connect(self.conninfo) as connection:
            schema.check(connection)

    def status(self) -> schema.SchemaStatus:
        """Return the versions of server and schema."""
        with connect(self.conninfo) as connection:
            return schema.status(connection)
