"""The record locks that tell users, keeper and set-up of one folder from each other.

POSIX record locks belong to a process: they are not inherited by a forked child (a flock is), the kernel drops them at death, and
it also drops them as soon as the process closes *any* descriptor of the file. Hence one descriptor per process and file, opened
once, shared by all, never closed.

Nobody may block on a byte while holding another one that the holder of the first waits for: the kernel calls that a deadlock.
Only the keeper blocks, on USERS; everybody else asks and comes back.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import ConfigurationError

__all__ = ["KEEPER", "SETUP", "USERS", "Holder", "descriptor", "holder", "names", "release", "share", "take", "wait_for"]

USERS, SETUP, KEEPER = range(3)  # bytes of the lock file; they need not exist in it

_REFUSED = {errno.EAGAIN, errno.EACCES}
# struct flock, as <fcntl.h> lays it out on either family
_FLOCK = "hhqqi4x" if sys.platform.startswith("linux") else "qqihh"

_open: dict[tuple[int, int], int] = {}
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class Holder:
    """Another process that holds a byte; `pid` is 0 where it lives in another pid namespace."""

    pid: int
    exclusive: bool


def descriptor(path: Path) -> int:
    """Return this process's one descriptor of the lock file at `path`, which is made if it does not exist."""
    with _opening:
        try:
            # looked up before opening: two paths may lead to one file, and a second descriptor could never be closed again
            known = _open.get(_identity(path.stat()))
        except FileNotFoundError:
            known = None
        if known is not None:
            return known
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return _open.setdefault(_identity(os.fstat(fd)), fd)


def names(fd: int, path: Path) -> bool:
    """Whether `path` still is the file behind `fd`."""
    try:
        return _identity(path.stat()) == _identity(os.fstat(fd))
    except OSError:
        return False


def share(fd: int, byte: int) -> bool:
    """Hold `byte` together with others; False while somebody has it alone."""
    return _lock(fd, byte, fcntl.LOCK_SH | fcntl.LOCK_NB)


def take(fd: int, byte: int) -> bool:
    """Hold `byte` alone; False while anybody else has it."""
    return _lock(fd, byte, fcntl.LOCK_EX | fcntl.LOCK_NB)


def wait_for(fd: int, byte: int) -> None:
    """Block until `byte` is held alone."""
    _lock(fd, byte, fcntl.LOCK_EX)


def release(fd: int, byte: int) -> None:
    """Give `byte` back; nothing happens where it was not held."""
    fcntl.lockf(fd, fcntl.LOCK_UN, 1, byte)


def holder(fd: int, byte: int) -> Holder | None:
    """Return another process that holds `byte`, or None; locks of this process do not count, and nothing changes hands."""
    if _FLOCK.startswith("h"):
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, question))
    else:
        question = struct.pack(_FLOCK, byte, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
        _, _, pid, kind, _ = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else Holder(pid, exclusive=kind == fcntl.F_WRLCK)


def _lock(fd: int, byte: int, how: int) -> bool:
    try:
        fcntl.lockf(fd, how, 1, byte)
    except OSError as error:
        if error.errno in _REFUSED:
            return False
        raise ConfigurationError(
            f"the file system of the embedded database's folder gives no record locks ({error.strerror})",
            hint="keep the project on a local disk, or set TIDEGATE_DATABASE to a running PostgreSQL",
        ) from error
    return True


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _afresh_in_child() -> None:
    global _opening  # noqa: PLW0603 - a thread of the parent may have held it at the fork
    _opening = threading.Lock()


os.register_at_fork(after_in_child=_afresh_in_child)
