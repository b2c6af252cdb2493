"""The process of one consumer, seen from its node: a `ProcessChild` that converses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psutil

from tidegate.runtime.processes.verdicts import size
from tidegate.runtime.processes.wire import Order
from tidegate.runtime.usage import used
from tidegate.supervision import ProcessChild, Reason, Shutdown, expected

__all__ = ["WARM_TIMEOUT", "ConsumerProcess"]

WARM_TIMEOUT: Final = 120.0  # seconds; an import of a large library from a cold disk takes a while


class ConsumerProcess(ProcessChild):
    """Warm once it is started: the jobs modules are imported, and `facts["imported"]` says how long that took."""

    def __init__(self, order: Order, *, max_output: int) -> None:
        super().__init__(
            "tidegate.runtime.processes.inside:main",
            order.as_json(),
            ready_timeout=WARM_TIMEOUT,
            converses=True,
            echo=order.equipment.echo,
            max_output=max_output,
            name=f"process of {order.queue}",
        )
        self.jobs = 0
        """How many it was given."""
        self.spent = False
        """Whether it must not be given another one."""

    def describe(self) -> Mapping[str, object]:
        """Return what there is to know about the process, and what it uses, busy or idle."""
        running = self.ended is None and bool(self.facts)
        return {**super().describe(), "jobs": self.jobs, **(used(self.pid) if running else {})}

    def worn(self, *, max_jobs: int, max_memory: int) -> str:
        """Return why it is to be replaced by a fresh one; nothing where it is not. A limit of 0 is none."""
        if self.spent:
            return "it was out of memory"
        if 0 < max_jobs <= self.jobs:
            return f"max_jobs is {max_jobs}"
        return f"max_memory is {size(max_memory)}" if 0 < max_memory < self._rss() else ""

    def _reason(self, pid: int, returncode: int) -> Reason:
        """How it ended is for its consumer to judge, with what it ran in hand: to its supervisor it is no crash."""
        reason = super()._reason(pid, returncode)
        return reason if expected(reason) or not self.facts else Shutdown(reason)

    def _rss(self) -> int:
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:  # it ended a moment ago, and will be replaced for that
            return 0
