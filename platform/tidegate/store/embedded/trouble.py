"""What can go wrong with the embedded server, as errors that say what is the matter and what to do.

Pure but for `free_bytes`: facts in, an error out. The decisive line of a server's log is quoted, since it knows better than we do.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidegate.errors import ConfigurationError, DatabaseUnreachable, TidegateError, Unhealthy

__all__ = [
    "decisive",
    "foreign_owner",
    "free_bytes",
    "from_os",
    "no_answer",
    "other_version",
    "server_failed",
    "translated",
]

ELSEWHERE = "set TIDEGATE_DATABASE to a running PostgreSQL"
FULL = {errno.ENOSPC, errno.EDQUOT}
FULL_DISK = "No space left on device|Disk quota exceeded"
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
NEARLY_NOTHING = 1 << 20  # bytes; a start writes less than that, and fails when it cannot


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses around `path` into an error of ours."""
    try:
        yield
    except OSError as error:
        raise from_os(error, path) from error


def from_os(error: OSError, path: Path) -> TidegateError:
    """Say what the operating system's refusal means for whoever wanted a database in `path`."""
    where = error.filename or path
    reason = (error.strerror or str(error)).lower()
    if error.errno in FULL:
        return _full(f"{where}: {reason}")
    if error.errno in CLOSED:
        return ConfigurationError(
            f"the embedded database cannot write to {where}: {reason}",
            hint=f"run where the folder can be written, or {ELSEWHERE}",
        )
    return ConfigurationError(f"the embedded database cannot use {where}: {reason}", hint=f"mend that, or {ELSEWHERE}")


def foreign_owner(folder: Path, *, owner: str, user: str) -> ConfigurationError:
    """A data folder serves the user who made it, and nobody else."""
    return ConfigurationError(
        f"{folder} belongs to {owner}, and this process runs as {user}",
        hint=f"run as {owner}, or move {folder} away to start with an empty database, or {ELSEWHERE}",
    )


def other_version(data: Path, *, version: str, binaries: str) -> ConfigurationError:
    """A cluster is read by its own major version only."""
    return ConfigurationError(
        f"the data in {data} is of PostgreSQL {version}, and the binaries here are {binaries}",
        hint=f"install the binaries of PostgreSQL {version} beside them (such as the system's package postgresql-{version}), "
        f"or move {data} away to start with an empty database, or {ELSEWHERE}",
    )


def server_failed(doing: str, lines: Sequence[str], *, log: Path | None, free: int) -> TidegateError:
    """Say why initdb or postgres ended, from what it wrote and from the room that is left on its disk."""
    line = decisive(lines)
    if free < NEARLY_NOTHING or (line and re.search(FULL_DISK, line)):
        return _full(f"{doing}: {line or 'nothing could be written'}")
    where = f"the whole story is in {log}; " if log else ""
    if line and "incompatible with server" in line:
        line = next((detail for detail in lines if "was initialized by" in detail or "was initialized with" in detail), line)
        return ConfigurationError(f"{doing}: {line.strip()}", hint=f"{where}move the data away, or {ELSEWHERE}")
    return Unhealthy(f"{doing}: {line or 'it ended without a word'}", hint=f"{where}mend that, or {ELSEWHERE}")


def no_answer(folder: Path, *, seconds: float, doing: str, lines: Sequence[str]) -> DatabaseUnreachable:
    """The time to wait is over."""
    quoted = "".join(f"\n  {line}" for line in lines) or " none"
    return DatabaseUnreachable(
        f"the embedded PostgreSQL of {folder} did not answer within {seconds:g} s ({doing}); last lines of its log:{quoted}",
        hint=f"look at the log and try again, or {ELSEWHERE}",
    )


def decisive(lines: Sequence[str]) -> str | None:
    """Pick the line that tells why a server or initdb gave up: a full disk, a wrong setting, a fatal word, an error, the last."""
    told = [line.strip() for line in lines if line.strip()]
    for mark in (FULL_DISK, r' in file ".*" line \d+$', r"\b(PANIC|FATAL):", r"\b(error|ERROR):"):
        for line in told:
            if re.search(mark, line):
                return line
    return told[-1] if told else None


def free_bytes(path: Path) -> int:
    """Return the room that a plain user has left on the disk of `path`."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return NEARLY_NOTHING  # unknown is not full
    return disk.f_bavail * disk.f_frsize


def _full(what: str) -> Unhealthy:
    return Unhealthy(f"the disk of the embedded database is full: {what}", hint=f"make room there, or {ELSEWHERE}")
