"""A disk so small that it can be filled: a tmpfs of its own for the tables of a server. Only root may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import errors, sql

from tests.support.postgres import Server

__all__ = ["SmallDisk", "Unavailable"]

SIZE: Final = "64m"
OBJECTS: Final = """\
SELECT CASE relkind WHEN 'r' THEN 'TABLE' ELSE 'INDEX' END, oid::regclass::text
FROM pg_class WHERE relnamespace = 'tidegate'::regnamespace AND relkind IN ('r', 'i') ORDER BY relkind, oid
"""


class Unavailable(Exception):
    """This fault cannot be had on this machine."""


class SmallDisk:
    """Mounted while the block runs; leave it when the server is down."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._folder = Path()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="tidegate-small-"))
        words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "tidegate-small", str(self._folder)]
        mounted = subprocess.run(words, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
        if mounted is None or mounted.returncode:
            self._folder.rmdir()
            raise Unavailable("a small disk cannot be mounted: " + ("only root may" if mounted is None else mounted.stderr.strip()))
        tables = self._folder / "tables"
        tables.mkdir()
        shutil.chown(tables, self._server.account.uid, self._server.account.gid)
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)
        self._folder.rmdir()

    def take_tables(self, database: str) -> None:
        """Move Tidegate's tables and indexes of `database` onto this disk, one by one, while they are in use."""
        with psycopg.connect(self._server.conninfo, autocommit=True) as own:
            own.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(self._folder / "tables"))))
        with psycopg.connect(database, autocommit=True) as own:
            for kind, name in own.execute(OBJECTS).fetchall():
                words = sql.SQL("ALTER {} {} SET TABLESPACE small").format(sql.SQL(kind), sql.SQL(name))
                while True:
                    try:
                        own.execute(words)
                    except errors.DeadlockDetected:
                        continue
                    break

    def fill(self) -> None:
        """Leave not one byte."""
        with (self._folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(65_536))
            except OSError:
                return

    def clear(self) -> None:
        """Have room again."""
        (self._folder / "ballast").unlink()
