"""What a process uses: for whoever looks at the processes of consumers, busy or idle."""

from __future__ import annotations

from typing import Final

import psutil

__all__ = ["used"]

NOTHING: Final = {"rss": None, "cpu_seconds": None}


def used(pid: int | None) -> dict[str, float | None]:
    """Return the bytes of memory that a process has now, and the seconds of a processor that it has used; None once it is over."""
    if pid is None:
        return dict(NOTHING)
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return {"rss": process.memory_info().rss, "cpu_seconds": times.user + times.system}
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return dict(NOTHING)
