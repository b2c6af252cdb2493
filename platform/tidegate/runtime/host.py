"""What the machine of this node has to give: memory for more consumers, and processors that are not busy yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import psutil

from tidegate.scaling.shares import CpuCap

__all__ = ["Host", "Limits", "Machine"]

GUESS: Final = 100 * 1024**2  # bytes of a consumer's process before one was measured


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds at present."""

    memory: float
    """Bytes that are available, before any reserve."""
    total: int
    """Bytes that there are."""
    consumers: float
    """The most consumers of all queues together."""
    sizes: Mapping[str, int]
    """Queue -> bytes that one more consumer takes, of those that have processes."""


class Machine(Protocol):
    """What has memory and processors for consumers."""

    def look(self, dt: float, *, consumers: int, processes: Mapping[str, Iterable[int]]) -> Limits:
        """Return the limits `dt` seconds after the last look; `processes` has the ids of each queue's processes."""


class Host:
    """Looks at the machine once a tick; costs well below a millisecond."""

    def __init__(self) -> None:
        self._cpu = CpuCap()
        self._sizes: dict[str, int] = {}
        self._spent: float | None = None
        self._cores = os.cpu_count() or 1
        psutil.cpu_percent(None)  # the first answer counts from here

    def look(self, dt: float, *, consumers: int, processes: Mapping[str, Iterable[int]]) -> Limits:
        """Return the limits; `processes` has the ids of each queue's processes."""
        memory = psutil.virtual_memory()
        spent = _cpu_seconds(os.getpid())
        for queue, pids in processes.items():
            running = [found for pid in pids if (found := _measure(pid)) is not None]
            spent += sum(seconds for _, seconds in running)
            if running:
                self._sizes[queue] = max(sum(rss for rss, _ in running) // len(running), 1)
            self._sizes.setdefault(queue, GUESS)
        used = psutil.cpu_percent(None) / 100
        own = 0.0 if self._spent is None or dt <= 0 else max(spent - self._spent, 0.0) / (dt * self._cores)
        self._spent = spent
        limit = self._cpu.see(dt, used=used, own=own, consumers=consumers)
        return Limits(memory.available, memory.total, limit, dict(self._sizes))


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _measure(pid: int) -> tuple[int, float] | None:
    """Return the memory and the processor time of a process; None where it has ended."""
    try:
        return psutil.Process(pid).memory_info().rss, _cpu_seconds(pid)
    except psutil.Error:
        return None
