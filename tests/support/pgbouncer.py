"""A real PgBouncer before a database, in transaction mode."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tidegate.store.embedded.accounts import server_account

__all__ = ["PROGRAM", "PgBouncer"]

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
CONFIG = """\
[databases]
* = host={host} port={port} dbname={dbname} user={user}

[pgbouncer]
unix_socket_dir = {folder}
listen_port = 6432
listen_addr =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
logfile = {folder}/log
pidfile = {folder}/pid
admin_users = tidegate
"""


class PgBouncer:
    """Runs while the block lasts; `database` is its address. `size` connections of the server are shared by all clients."""

    def __init__(self, database: str, *, mode: str = "transaction", size: int = 4) -> None:
        account = server_account()
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate-pgb-", dir="/tmp"))
        parts = conninfo_to_dict(database)
        kept = {name: parts[name] for name in ("host", "port", "dbname", "user")}
        config = self.folder / "pgbouncer.ini"
        config.write_text(CONFIG.format(**kept, folder=self.folder, mode=mode, size=size), "utf-8")
        self._who = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.other else {}
        if account.other:
            os.chown(self.folder, account.uid, account.gid)
        self.database = f"postgresql://tidegate@/tide?host={self.folder}&port=6432"
        self._config = config
        self.process = self._start()

    def restart(self) -> None:
        """Kill it, cutting all connections, and start it again."""
        self.process.kill()
        self.process.wait()
        (self.folder / "pid").unlink(missing_ok=True)
        (self.folder / ".s.PGSQL.6432").unlink(missing_ok=True)
        self.process = self._start()
        self.__enter__()

    def _start(self) -> subprocess.Popen[bytes]:
        words = [str(PROGRAM), "-q", str(self._config)]
        return subprocess.Popen(words, cwd="/", stdin=subprocess.DEVNULL, **self._who)  # type: ignore[call-overload,no-any-return]

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.database).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError(f"pgbouncer does not answer:\n{self.log}") from None
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text("utf-8", errors="replace") if file.exists() else "no log"
