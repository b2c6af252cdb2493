"""Nodes as introspection tells of them: those that live, as their rows say, and those that were lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tidegate.introspection.shapes import PoolView, iso

__all__ = ["LostView", "NodeView"]

MUTE: Final = 20.0  # seconds; twice the time after which a node speaks again where nothing has changed


@dataclass(frozen=True, slots=True)
class NodeView:
    """A live node, as its row tells."""

    node: str
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_age: float
    leader: bool
    queues: tuple[str, ...]
    status: Mapping[str, Any] = field(default_factory=dict)
    """What the node says of itself; whatever does not read is left out."""
    said_at: datetime | None = None
    """When it said that, on the database's clock."""
    said_age: float | None = None
    """How long ago that is. Its heartbeat repeats it, also while its event loop, which looks, does not run."""
    lease: float | None = None
    """Seconds for which a heartbeat of it holds; it sends three in that time."""

    def pool(self, queue: str) -> PoolView:
        """Return its consumers of one queue; all zero where it has said nothing yet."""
        told = self._told(queue)
        return PoolView(**{name: _count(told.get(name)) for name in ("alive", "busy", "min", "max", "target")})

    def sized_by(self, queue: str) -> str | None:
        """Return the word that its autoscaler gives for the size of a queue's pool."""
        reason = self._told(queue).get("reason")
        return reason if isinstance(reason, str) else None

    @property
    def broken(self) -> tuple[str, ...]:
        """The queues that it should run and cannot."""
        told = self.status.get("broken")
        return tuple(name for name in told if isinstance(name, str)) if isinstance(told, list) else ()

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape."""
        return {
            "node": self.node,
            "host": self.host,
            "pid": self.pid,
            "started_at": iso(self.started_at),
            "heartbeat_age": self.heartbeat_age,
            "version": self.version,
            "leader": self.leader,
            "queues": {queue: self._queue_as_json(queue) for queue in self.queues},
            "broken": list(self.broken),
            "rss": self.status.get("rss"),
            "loop_lag": self.status.get("loop_lag"),
            "clock_skew": self.clock_skew,
            "deaf": self.status.get("deaf"),
        }

    @property
    def clock_skew(self) -> float | None:
        """Return by how many seconds the clock of its host is ahead of the database's, as far as it has said so."""
        wall = self.status.get("wall")
        if self.said_at is None or not isinstance(wall, int | float):
            return None
        return wall - self.said_at.timestamp()

    @property
    def silent(self) -> bool:
        """Whether it has missed two heartbeats: it is frozen, or cannot reach the database."""
        return self.lease is not None and self.heartbeat_age > 2 / 3 * self.lease

    @property
    def blocked(self) -> bool:
        """Whether its event loop is blocked: it beats, and has said nothing new of itself."""
        return not self.silent and self.said_age is not None and self.said_age > MUTE

    def _queue_as_json(self, queue: str) -> dict[str, Any]:
        told = self._told(queue)
        return {
            **self.pool(queue).as_json(),
            "jobs_processed": told.get("jobs_processed"),
            "last_job_at": iso(self._last_job(told)),
        }

    def _last_job(self, told: Mapping[str, Any]) -> datetime | None:
        """Return when the last job ended: the node tells it on its own clock, and what that clock showed when it said so."""
        last, clock = told.get("last_job"), self.status.get("clock")
        if self.said_at is None or not isinstance(last, int | float) or not isinstance(clock, int | float):
            return None
        return self.said_at - timedelta(seconds=max(clock - last, 0.0))

    def _told(self, queue: str) -> Mapping[str, Any]:
        queues = self.status.get("queues")
        told = queues.get(queue) if isinstance(queues, Mapping) else None
        return told if isinstance(told, Mapping) else {}


@dataclass(frozen=True, slots=True)
class LostView:
    """A node that was lost: it fell silent for longer than its lease, or ended without signing off."""

    node: str
    host: str
    pid: int
    version: str
    started_at: datetime
    queues: tuple[str, ...]
    last_beat: datetime
    silent_for: float
    why: str | None
    """What it said at its end, where it said anything."""
    held: tuple[Mapping[str, Any], ...]
    """The jobs that it held, and whether each was rescued already."""

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "node": self.node,
            "host": self.host,
            "pid": self.pid,
            "version": self.version,
            "started_at": iso(self.started_at),
            "queues": list(self.queues),
            "last_beat": iso(self.last_beat),
            "silent_for": self.silent_for,
            "why": self.why,
            "held": [dict(each) for each in self.held],
        }


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
