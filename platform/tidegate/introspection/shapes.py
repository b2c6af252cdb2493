"""What introspection answers: frozen facts, each with `as_json` in the shape that the command line and the dashboard promise.

Times are ISO 8601 in UTC, durations and ages are seconds, and None means: not known, or not applicable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["AttemptView", "JobDetail", "JobView", "PoolView", "QueueView", "iso"]


def iso(at: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, always with microseconds, so that texts sort as times do."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class PoolView:
    """A queue's consumers, of one node or summed over several."""

    alive: int = 0
    busy: int = 0
    min: int = 0
    max: int = 0
    target: int = 0

    def __add__(self, other: PoolView) -> PoolView:
        return PoolView(
            self.alive + other.alive,
            self.busy + other.busy,
            self.min + other.min,
            self.max + other.max,
            self.target + other.target,
        )

    def as_json(self) -> dict[str, int]:
        """Return the promised shape."""
        return {"alive": self.alive, "busy": self.busy, "min": self.min, "max": self.max, "target": self.target}


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue over the whole fleet. `scheduled` and `ready` are exact up to 10,000 and estimated beyond."""

    queue: str
    paused: bool
    broken: bool
    """Whether a live node has it broken: past its restart intensity, and tried again from time to time."""
    scheduled: int
    ready: int
    running: int
    dead: int
    """Dead letters that were not retried."""
    oldest_ready_age: float | None
    consumers: PoolView
    nodes: int
    """Live nodes that serve it."""
    scale: int | None = None
    """The fleet's sum of consumers that was said by hand, while that holds."""
    scale_until: datetime | None = None
    gated: int = 0
    """Of the ready jobs, those that a circuit holds back; exact among the first 50,000, in proportion beyond."""

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape."""
        return {
            "queue": self.queue,
            "paused": self.paused,
            "broken": self.broken,
            "scheduled": self.scheduled,
            "ready": self.ready,
            "gated": self.gated,
            "running": self.running,
            "dead": self.dead,
            "oldest_ready_age": self.oldest_ready_age,
            "consumers": self.consumers.as_json(),
            "override": None if self.scale is None else {"consumers": self.scale, "until": iso(self.scale_until)},
            "nodes": self.nodes,
        }


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as lists show it, live, finished or dead."""

    id: int
    queue: str
    kind: str
    state: str
    priority: int
    attempt: int
    max_attempts: int | None
    enqueued_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape."""
        return {
            "id": self.id,
            "queue": self.queue,
            "kind": self.kind,
            "state": self.state,
            "priority": self.priority,
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "enqueued_at": iso(self.enqueued_at),
            "run_at": iso(self.run_at),
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
        }


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt that ended."""

    attempt: int
    outcome: str
    started_at: datetime | None
    finished_at: datetime | None
    duration: float | None
    node: str | None
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    output: str | None = None
    lease: int = 0
    fingerprint: str | None = None
    locals: Any = None
    """The local variables of the application's frames, where the queue keeps them."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> AttemptView:
        """Return an attempt that the database has told as JSON."""
        return cls(
            attempt=told["attempt"],
            outcome=told["outcome"],
            started_at=_time(told["started_at"]),
            finished_at=_time(told["finished_at"]),
            duration=told["duration"],
            node=told["node"],
            error_type=told["error_type"],
            error_message=told["error_message"],
            traceback=told["traceback"],
            output=told["output"],
            lease=told["lease"],
            fingerprint=told.get("fingerprint"),
            locals=told.get("locals"),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape."""
        error = None
        if self.error_type is not None:
            error = {"type": self.error_type, "message": self.error_message or "", "traceback": self.traceback or ""}
        return {
            "attempt": self.attempt,
            "outcome": self.outcome,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "duration": self.duration,
            "node": self.node,
            "error": error,
            "output": self.output,
            "lease": self.lease,
            "fingerprint": self.fingerprint,
            "locals": self.locals,
        }


@dataclass(frozen=True, slots=True)
class JobDetail:
    """Everything that is known of one job."""

    job: JobView
    args: list[Any] | None
    """None, as `kwargs` is, where what is stored is not the form that Tidegate stores; `stored` has it then."""
    kwargs: dict[str, Any] | None
    meta: Any
    result: Any
    attempts: tuple[AttemptView, ...]
    lease: int
    node: str | None
    crashes: int
    cancel_requested: bool
    error_type: str | None
    error_message: str | None
    reason: str | None
    """Why it is dead."""
    retried_as: int | None
    """The job that it became after its death."""
    stored: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape and some more."""
        error = None if self.error_type is None else {"type": self.error_type, "message": self.error_message or ""}
        unread = {} if self.args is not None else {"stored": self.stored}
        return {
            **self.job.as_json(),
            "args": self.args,
            "kwargs": self.kwargs,
            **unread,
            "meta": self.meta,
            "result": self.result,
            "attempts": [attempt.as_json() for attempt in self.attempts],
            "error": error,
            "reason": self.reason,
            "retried_as": self.retried_as,
            "node": self.node,
            "lease": self.lease,
            "crashes": self.crashes,
            "cancel_requested": self.cancel_requested,
        }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
