"""The PostgreSQL that comes with Tidegate: `database: embedded`.

A project's `.tidegate/` holds one cluster and is served by one server, over a Unix socket that is closed to others. The server
belongs to a keeper process, not to the command that happened to start it:

    user ---- holds a shared record lock on byte USERS of .tidegate/lock, as long as it lives
    keeper -- holds byte KEEPER, runs postgres as its child, restarts it when it dies, and waits for byte USERS:
              it gets that when the last user is gone, kill -9 included; then it stops the server and ends
    SETUP --- is held by the one user that makes the cluster or starts the keeper

The kernel gives a lock back when its holder dies, so no file left behind ever has to be believed. `binaries` finds a PostgreSQL,
`places` decides where things lie and whom the server runs as, `cluster` makes and runs a cluster, `launch` brings user and keeper
together, `user` is the face. For development, demonstrations and tests: it makes no backups and is tuned for nothing.

The names load lazily: the keeper is a small process and imports neither psycopg nor SQLAlchemy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tidegate.errors import ConfigurationError

if TYPE_CHECKING:
    from tidegate.store.embedded.user import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]


def __getattr__(name: str) -> Any:
    if name != "EmbeddedPostgres":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    refuse_windows(sys.platform)
    from tidegate.store.embedded.user import EmbeddedPostgres  # noqa: PLC0415 - lazily, see above

    return EmbeddedPostgres


def refuse_windows(platform: str) -> None:
    """Raise where there are neither record locks nor private Unix sockets."""
    if platform == "win32":
        raise ConfigurationError(
            "`database: embedded` does not run on Windows",
            hint="use WSL, or point `database:` (or TIDEGATE_DATABASE) to a PostgreSQL 14 or newer",
        )
