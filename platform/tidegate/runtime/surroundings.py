"""The state of machine, container and process, read in a millisecond, each figure on its own.

What cannot be had (another system, a container that hides it) is None, and `missing` says why; no figure takes another one along.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

__all__ = ["Reading", "Surroundings"]

BETWEEN: Final = 1.0  # seconds; the share of a CPU over less says nothing
CGROUPS: Final = Path("/sys/fs/cgroup")
NO_LIMIT: Final = 2**60  # version 1 of cgroups writes such a number where there is none


@dataclass(slots=True)
class Reading:
    """The figures of one moment, in the promised shapes of `forensics.system` and `forensics.process`."""

    system: dict[str, Any]
    process: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)
    """The figures that could not be had -> why."""


class Surroundings:
    """Reads them; made when the node starts, so that there is a time over which CPU was used."""

    def __init__(self, *, cgroups: Path = CGROUPS) -> None:
        self._process = psutil.Process()
        self._cgroups = cgroups
        self._places: dict[str, Path | None] = {}
        self._cpu_at = time.monotonic()
        self._cpu: float | None = None
        psutil.cpu_percent(None)

    def read(self) -> Reading:
        """Return the figures of now."""
        missing: dict[str, str] = {}

        def figure(name: str, read: Callable[[], Any]) -> Any:
            try:
                return read()
            except (OSError, ValueError, AttributeError, psutil.Error) as error:  # a platform may lack the call altogether
                missing[name] = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                return None

        with self._process.oneshot():
            process = {
                "pid": os.getpid(),
                "rss": figure("process.rss", lambda: self._process.memory_info().rss),
                "threads": figure("process.threads", self._process.num_threads),
                "open_files": figure("process.open_files", self._process.num_fds),
                "uptime": figure("process.uptime", self._uptime),
            }
        memory = figure("system.memory", psutil.virtual_memory)
        system = {
            "load": figure("system.load", lambda: [round(load, 2) for load in os.getloadavg()]),
            "cpu_count": os.cpu_count(),
            "cpu_percent": figure("system.cpu_percent", self._cpu_percent),
            "memory_total": memory and memory.total,
            "memory_available": memory and memory.available,
            "container": figure("system.container", self._container),
        }
        return Reading(system, process, missing)

    def _cpu_percent(self) -> float | None:
        now = time.monotonic()
        if self._cpu is None or now - self._cpu_at >= BETWEEN:
            self._cpu, self._cpu_at = psutil.cpu_percent(None), now
        return self._cpu

    def _uptime(self) -> float:
        since_boot = self._process.create_time() - psutil.boot_time()
        return round(time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot, 1)

    def _container(self) -> dict[str, Any] | None:
        """Return the limits of the control group that this process is in, and what it uses of them; None where there are none."""
        limit = self._first("memory.max", "memory/memory.limit_in_bytes")
        used = self._first("memory.current", "memory/memory.usage_in_bytes")
        quota = self._first("cpu.max")
        cpus = None
        if quota and not quota.startswith("max"):
            share, period = quota.split()
            cpus = round(int(share) / int(period), 2)
        bytes_ = int(limit) if limit and limit.isdigit() and int(limit) < NO_LIMIT else None
        if bytes_ is None and cpus is None:
            return None
        return {"memory_limit": bytes_, "memory_used": int(used) if used else None, "cpu_limit": cpus}

    def _first(self, *names: str) -> str | None:
        """Return what the first of these files says that there are."""
        for name in names:
            if name not in self._places:  # looking for them took longer than all the rest
                self._places[name] = self._place(name)
            if (place := self._places[name]) is not None:
                return place.read_text("ascii").strip()
        return None

    def _place(self, name: str) -> Path | None:
        """Return a file of this process's own group, or of what a container sees as the root."""
        return next((place for folder in (self._group(), self._cgroups) if (place := folder / name).is_file()), None)

    def _group(self) -> Path:
        try:
            lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        except OSError:
            return self._cgroups
        own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
        return self._cgroups / own.strip("/")
