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

__all__ = ["Beating", "Beats", "Heartbeat", "Pulse"]

RETRY = 1.0  # seconds between attempts while the database is away


class Pulse(Protocol):
    """What a heartbeat needs of the store, blocking; see store/heart.py."""

    def beat(self, node: str, lease: float, status: str | None) -> bool:
        """Renew the lease; False: the identity is dead."""

    def close(self) -> None:
        """Let the connection go."""


class Beating(Protocol):
    """What a registry asks of the heartbeat of its identity."""

    @property
    def started(self) -> bool:
        """Tell whether it was started."""

    def steady(self) -> bool:
        """Tell whether this node may judge others."""

    def start(self) -> None:
        """Begin to beat."""

    def stop(self) -> None:
        """Beat no more."""


class Beats:
    """What the beats of one identity amount to: pure bookkeeping, whoever sends them."""

    def __init__(self, lease: NodeLease) -> None:
        self._lease = lease
        self._steady_since: float | None = None

    def steady(self) -> bool:
        """Tell whether heartbeats went through without a gap for one whole lease: only then may this node judge others (L4)."""
        return self._steady_since is not None and self._lease.clock() - self._steady_since >= self._lease.lease

    def confirmed(self, sent: float) -> float:
        """Take note that a beat sent at `sent` was applied; return the seconds until the next one."""
        if self._lease.remaining() < 0:  # it had run out: others may have judged meanwhile, so this one begins anew
            self._steady_since = None
        self._lease.confirmed(sent)
        if self._steady_since is None:
            self._steady_since = sent
        return self._lease.lease / 3

    def failed(self) -> float:
        """Take note that a beat was not answered; return the seconds until the next try."""
        self._steady_since = None
        return min(RETRY, self._lease.lease / 6)


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
        self._beats = Beats(lease)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def started(self) -> bool:
        """Tell whether it was started."""
        return self._thread is not None

    def steady(self) -> bool:
        """See `Beats.steady`."""
        return self._beats.steady()

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
                pause = self._beats.failed()
                self._tell(self._on_failed, str(error))
                continue
            if not alive:
                self._tell(self._on_lost)
                break
            pause = self._beats.confirmed(sent)
        self._pulse.close()

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed
            self._over.set()
