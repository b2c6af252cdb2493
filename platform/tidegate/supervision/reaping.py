"""The end of a process, taken from the kernel by whoever started it: how it ended, and how much memory it had at its peak.

A process that was started here is reaped here, not by asyncio's watchers, which would throw its resource usage away.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from subprocess import Popen
from typing import Any, Final

__all__ = ["Ended", "over", "peak_rss", "reap"]

_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code, or the negative number of the signal that ended it."""

    returncode: int
    peak_rss: int
    """Bytes. Never less than what its parent had ever used when it started it: the kernel carries that over into the child."""


def peak_rss() -> int:
    """Return the most memory that this process has used so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


async def over(process: Popen[bytes]) -> None:
    """Wait until `process` has ended; it is left to be reaped, so that its id stays its own."""
    ended = _watched(process.pid)
    try:
        await ended
    finally:
        ended.cancel()


def reap(process: Popen[bytes]) -> Ended:
    """Wait for the end of `process`, and free its id."""
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError:  # somebody else in this program reaps whatever ends: its exit code is lost
        process.returncode = 255
        return Ended(255, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, usage.ru_maxrss * _RSS_UNIT)


def _watched(pid: int) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):  # kernels before 5.3, and filters that know only what they know
            handle = os.pidfd_open(pid)
            loop.add_reader(handle, _done, ended)
            ended.add_done_callback(partial(_forget, loop, handle))
            return ended
    threading.Thread(target=_wait, args=(pid, loop, ended), name=f"wait for process {pid}", daemon=True).start()
    return ended


def _forget(loop: asyncio.AbstractEventLoop, handle: int, _: asyncio.Future[None]) -> None:
    loop.remove_reader(handle)
    os.close(handle)


def _wait(pid: int, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(_done, ended)


def _done(ended: asyncio.Future[Any]) -> None:
    if not ended.done():
        ended.set_result(None)
