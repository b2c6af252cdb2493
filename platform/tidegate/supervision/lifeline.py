"""A process dies with its parent, kill -9 of the parent included, and takes its process group along.

The parent holds the other end of a pipe into which nothing is ever written. On Linux the kernel itself sends SIGKILL to the whole
group when that end closes (F_SETSIG), whatever the process is doing: C code that never lets go of the interpreter's lock cannot
hold that up. Elsewhere, and for the case that a fork of the parent keeps the pipe open, a thread looks.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
from threading import Thread
from typing import Final

__all__ = ["tie"]

PARENT_CHECK: Final = 1.0  # seconds


def tie(end: int, parent: int) -> None:
    """Tie this process and its group to the other end of the pipe, and to `parent`, its parent's process id."""
    os.set_inheritable(end, False)
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(end, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
    Thread(target=_die_with_parent, args=(end, parent), name="parent watch", daemon=True).start()


def _die_with_parent(end: int, parent: int) -> None:
    while os.getppid() == parent:
        try:
            closed, _, _ = select.select([end], [], [], PARENT_CHECK)
        except OSError:  # the target has closed what it does not own; its parent hears of that, and judges
            return
        if closed:
            break
    os.killpg(os.getpgrp(), signal.SIGKILL)
