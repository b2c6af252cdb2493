"""A throw-away PostgreSQL for the whole suite.

    server = Server()                                    # from the wheel; Server(Path("/usr/lib/postgresql/15/bin")): that one
    conninfo = server.create_database(template=None)     # a URL for psycopg
    server.restart(), server.kill(), server.stop()

It is fast and careless (nothing is synced, and its data lies in memory where there is plenty), runs as root and as a plain user, and ends with the process that made it, kill -9
included. It knows nothing of pytest.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql

from tidegate.store.embedded import cluster
from tidegate.store.embedded.accounts import server_account
from tidegate.store.embedded.binaries import Candidate, find
from tidegate.store.embedded.places import fits, within_reach

__all__ = ["Server"]

CARELESS = {
    **cluster.SETTINGS,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "checkpoint_timeout": "30min",
    "max_wal_size": "256MB",  # it may lie in memory
}
PREFIX = "tidegate-test"
MEMORY = Path("/dev/shm")
"""Where a database is made in a tenth of the time: it is some hundreds of files."""
PLENTY = 6 * 2**30

# A server dies with the thread that started it (PR_SET_PDEATHSIG): this one lives as long as the process, unlike a test's.
_starter = ThreadPoolExecutor(1, "postgres-starter")


class Server:
    """A server with a folder of its own, running once this returns; one for each test session is meant."""

    def __init__(self, binaries: Path | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        _sweep()
        self.account = server_account()
        found = find() if binaries is None else find([Candidate(str(binaries), binaries)])
        self.binaries = within_reach(found, self.account)
        self.version = self.binaries.version
        self.settings = {**CARELESS, **(settings or {})}
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = _folder(self.account.uid, self.account.gid, durable=self.settings["fsync"] == "on")
        self.data, self.log = self.folder / "data", self.folder / "log"
        try:
            cluster.create(self.binaries, self.data, self.account)
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server PostgreSQL {self.version} {self.folder} {'up' if self.running else 'down'}>"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def conninfo(self) -> str:
        """The database `postgres`, for what concerns the whole server."""
        return cluster.conninfo(self.folder, "postgres")

    def create_database(self, template: str | None = None) -> str:
        """Make a database, a copy of `template` (a name, or what this returned before) if one is given; return its address."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        copied = sql.SQL("") if template is None else sql.SQL(" TEMPLATE {}").format(sql.Identifier(_name(template)))
        self._execute(sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), copied))
        return cluster.conninfo(self.folder, name)

    def drop_database(self, database: str) -> None:
        """Drop it (a name, or what `create_database` returned), whoever is connected."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_name(database))))

    def start(self) -> None:
        """Start it where it is down; return once it takes connections."""
        if self.running:
            return
        cluster.clear(self.data, self.folder.name, self.account, socket=self.folder)
        words = cluster.command(self.binaries.folder, self.data, socket=self.folder, name=self.folder.name, settings=self.settings)
        with self.log.open("ab") as log:
            self._process = _starter.submit(cluster.start, words, self.account, log=log.fileno()).result()
        deadline = time.monotonic() + 60
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"{self!r} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.005)

    def restart(self) -> None:
        """Shut it down as an operator would (connections are cut), and start it again."""
        self._end(signal.SIGINT)
        self.start()

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut does; `restart` brings it back through crash recovery."""
        for process in cluster.remains(self.folder.name, self.account):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it and remove its folder; may be said twice."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        told = cluster.pid_file(self.data)
        return told is not None and self._process is not None and told.pid == self._process.pid and told.ready

    def _end(self, force: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(force)
            self._process.wait(60)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(statement)


def _name(database: str) -> str:
    return psycopg.conninfo.conninfo_to_dict(database)["dbname"] if "://" in database else database


def _roots(*, durable: bool) -> list[Path]:
    """Return where folders may be made, the best first: a server that syncs, as those that are measured, has a disk to sync to."""
    roots = [Path(tempfile.gettempdir()), Path("/tmp")]
    if not durable and MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) >= PLENTY:
        roots.insert(0, MEMORY)
    return roots


def _folder(uid: int, gid: int, *, durable: bool) -> Path:
    """Make a folder short enough for a socket; its name tells whose it is, for `_sweep`."""
    root = next(root for root in _roots(durable=durable) if fits(root / f"{PREFIX}-1234567-12345678"))
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-", dir=root))
    os.chown(folder, uid, gid)
    return folder


def _sweep() -> None:
    """Remove the folders of test processes that were killed; their servers went with them."""
    for folder in (each for root in (MEMORY, Path(tempfile.gettempdir())) for each in root.glob(f"{PREFIX}-*")):
        found = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", folder.name)
        if found and not psutil.pid_exists(int(found[1])):
            shutil.rmtree(folder, ignore_errors=True)
