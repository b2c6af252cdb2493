"""The thread that keeps a node alive in the table, whatever its event loop does.

It renews the lease every third of it and writes down when the last confirmed heartbeat was sent; that it goes on while the loop is
blocked is its whole point, so it shares nothing with the loop but that number and a callback.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from tidegate.errors import DatabaseUnreachable
from tidegate.runtime.node_lease import NodeLease

__all__ = ["Heartbeat", "Pulse"]

RETRY = 1.0  # seconds between attempts while the database is away


class Pulse(Protocol):
    """What a heartbeat needs of the store, blocking; see store/heart.py."""

    def beat(self, node: str, lease: float, status: str | None) -> bool:
        """Renew the lease; False: the identity is dead."""

    def close(self) -> None:
        """Let the connection go."""


class Heartbeat:
    """Beats for one identity from `start` to `stop`, or until the identity is declared dead."""

    def __init__(
        self,
        lease: NodeLease,
        pulse: Pulse,
        *,
        status: Callable[[], str | None],
        on_lost: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._lease = lease
        self._pulse = pulse
        self._status = status
        self._on_lost = on_lost
        self._on_failed = on_failed
        self._steady_since: float | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def started(self) -> bool:
        """Tell whether it was started."""
        return self._thread is not None

    def steady(self) -> bool:
        """Tell whether heartbeats went through without a gap for one whole lease: only then may this node judge others (L4)."""
        return self._steady_since is not None and self._lease.clock() - self._steady_since >= self._lease.lease

    def start(self) -> None:
        """Begin to beat; callbacks arrive on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="tidegate-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._over.set()

    def _work(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            sent = self._lease.clock()
            try:
                alive = self._pulse.beat(self._lease.node, self._lease.lease, self._status())
            except DatabaseUnreachable as error:
                self._steady_since = None
                self._tell(self._on_failed, str(error))
                pause = min(RETRY, self._lease.lease / 6)
                continue
            if not alive:
                self._tell(self._on_lost)
                break
            self._confirm(sent)
            pause = self._lease.lease / 3
        self._pulse.close()

    def _confirm(self, sent: float) -> None:
        if self._lease.remaining() < 0:  # it had run out: others may have judged meanwhile, so this one begins anew
            self._steady_since = None
        self._lease.confirmed(sent)
        if self._steady_since is None:
            self._steady_since = sent

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed
            self._over.set()
