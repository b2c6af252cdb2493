"""The right of this node to run what it claimed (protocol L1, L5).

A job's lease is valid while its node's is, and the node's is one row whose expiry lies on the database's clock. Here only the
cautious half of that is kept: the moment at which the last confirmed heartbeat was *sent*, on a clock that goes on while the
machine sleeps, plus the lease, minus a margin. Past it no handler is started: by then another node may have been given the job.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["NodeLease", "boot_time"]

MARGIN = 0.1  # of the lease: what a check, a switch of tasks and the first line of a handler may take


def boot_time() -> float:
    """Return seconds on a clock that suspended machines and frozen processes cannot stop (Linux), else the monotonic one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class NodeLease:
    """A node's identity, and until when it may start handlers. Written by the heartbeat, read before every start."""

    def __init__(self, node: str, lease: float, *, clock: Callable[[], float] = boot_time) -> None:
        self.node = node
        self.lease = lease
        self.lost = False
        self.clock = clock
        self._span = lease * (1 - MARGIN)
        self._sent: float | None = None

    def __repr__(self) -> str:
        return f"<NodeLease {self.node} {'lost' if self.lost else f'{self.remaining():.1f} s left'}>"

    def confirmed(self, sent: float) -> None:
        """A heartbeat that was sent at `sent` (on `clock`) was applied."""
        self._sent = sent if self._sent is None else max(sent, self._sent)

    def remaining(self) -> float:
        """Return the seconds for which handlers may still be started; negative when that is over, or never began."""
        return -1.0 if self.lost or self._sent is None else self._sent + self._span - self.clock()

    def allows_start(self) -> bool:
        """Tell whether a handler may be started now."""
        return not self.lost and self._sent is not None and self._sent + self._span > self.clock()  # asked before every job
