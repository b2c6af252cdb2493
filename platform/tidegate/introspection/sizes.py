"""What the autoscaler decided of a queue, why, and what would change it: out of the table of its decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate.introspection.asking import asking
from tidegate.introspection.shapes import QueueView, iso
from tidegate.plurals import noun
from tidegate.store.scaling import Logged
from tidegate.store.statements import statement

__all__ = ["DecisionView", "OrderView", "Sizes", "explained", "recorded"]

FOLLOWED: Final = 10.0  # seconds; well beyond the ticks for which a decision is followed


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView(Logged):
    """One decision as it was written down, where and when."""

    id: int
    at: datetime
    node: str

    @property
    def arrival_rate(self) -> float:
        """Jobs that became ready a second."""
        return self.arrived / self.seconds if self.seconds > 0 else 0.0

    @property
    def service_time(self) -> float | None:
        """Seconds for which a job kept its consumer busy; None where none has ended."""
        return self.service_sum / self.completed if self.completed else None

    @property
    def variation(self) -> float:
        """The squared coefficient of variation of service times; 1 where too few have ended to tell."""
        mean = self.service_time
        if mean is None or self.completed < 2 or mean <= 0:
            return 1.0
        return max(self.service_sum_sq / self.completed / mean**2 - 1, 0.0)

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape and some more."""
        return {
            "at": iso(self.at),
            "queue": self.queue,
            "from": self.from_size,
            "to": self.to_size,
            "need": self.need,
            "reason": self.reason,
            "ready": self.ready,
            "arrival_rate": self.arrival_rate,
            "service_time": self.service_time,
            "oldest_age": self.oldest_age,
            "acted": self.acted,
            "node": self.node,
            "busy": self.busy,
            "alive": self.alive,
            "seconds": self.seconds,
            "arrived": self.arrived,
            "completed": self.completed,
        }


@dataclass(frozen=True, slots=True)
class OrderView:
    """What holds for a queue's size now."""

    queue: str
    want: int | None
    """None: no leader has decided yet."""
    reason: str | None
    need: float | None
    shares: Mapping[str, int]
    ready: int | None
    service: float | None
    age: float | None
    """Seconds since it was decided."""
    paused: bool
    scale: int | None

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "queue": self.queue,
            "want": self.want,
            "reason": self.reason,
            "need": self.need,
            "shares": dict(self.shares),
            "ready": self.ready,
            "service_time": self.service,
            "age": self.age,
            "paused": self.paused,
            "scale": self.scale,
        }


class Sizes:
    """Answers over one autocommit connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def history(self, queue: str, *, limit: int, age: float | None = None) -> list[DecisionView]:
        """Return a queue's decisions, the newest first; with `age` those of so many last seconds."""
        with asking("read the decisions"):
            return [DecisionView(**row) for row in self._rows("scaling_history", {"queue": queue, "n": limit, "age": age})]

    def order(self, queue: str) -> OrderView:
        """Return what holds for a queue now."""
        with asking("read the decision"):
            rows = [row for row in self._rows("scaling_orders", None) if row["queue"] == queue]
        if not rows:
            return OrderView(queue, None, None, None, {}, None, None, None, paused=False, scale=None)
        [row] = rows
        shares = json.loads(row.pop("shares") or "{}")
        return OrderView(shares=shares, **row)

    def _rows(self, name: str, params: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


WORDS: Final[Mapping[str, str]] = {
    "base": "what arrives at present needs so many",
    "backlog": "what waits would be late with fewer",
    "hold": "fewer would do, but more were needed a moment ago, or jobs still wait",
    "idle": "fewer are needed than there were",
    "asleep": "nothing has been to do for the cooldown, and min is 0",
    "wake": "jobs came while there were none",
    "queue_max": "more would be wanted, and the queue's max allows no more",
    "queue_min": "fewer would do, and the queue's min allows no fewer",
    "memory": "more would be wanted, and the memory of the host allows no more",
    "cpu": "more would be wanted, and the processors of the host are busy",
    "db": "more would be wanted, and the database takes no more connections",
    "probe": "jobs take longer the more of them run at once, so that more consumers would not help",
    "circuit": "jobs are held back by a circuit that is half open or has just closed, and gives so few permits",
    "override": "it was said by hand",
    "fixed": "the policy is fixed",
    "steps": "a threshold of the policy steps was passed",
    "policy_failed": "the queue's own policy raised, took too long or said what cannot be, so that nothing changes",
}
CHANGES: Final[Mapping[str, str]] = {
    "queue_max": "raise consumers.max, run another node, or allow a longer target_latency",
    "queue_min": "lower consumers.min",
    "memory": "give the host more memory, run a node on another one, or make the jobs smaller",
    "cpu": "run a node on another host, or run less beside it",
    "db": "raise max_connections of the server, or put a pooler in between",
    "probe": "find what the jobs wait for: something downstream is at its limit",
    "circuit": "the circuit closes when its probes go well: tidegate circuits list",
    "override": "tidegate scale {queue} auto",
    "policy_failed": "the node's log says what is wrong with the policy",
    "hold": "it passes by itself as soon as no job waits",
    "asleep": "the next job wakes it",
}


def explained(
    view: QueueView, order: OrderView, recent: Sequence[DecisionView], *, target: float | None, mode: str
) -> Iterator[str]:
    """Yield sentences: what size a queue has, why, and what would change it."""
    pool = view.consumers
    yield (
        f"{view.queue} has {noun(pool.alive, 'consumer')} on {noun(view.nodes, 'node')}, {pool.busy} of them busy; "
        f"between {pool.min} and {pool.max} are allowed."
    )
    if order.want is None or order.age is None:
        yield "Nobody has decided anything yet: no node that leads knows this queue."
        return
    acting = "" if mode == "act" or order.reason == "override" else " That is only said (mode: observe), and not done."
    why = WORDS.get(order.reason or "", f"the policy says {order.reason}")
    yield f"{noun(order.want, 'consumer is', 'consumers are')} wanted ({order.reason}): {why}.{acting}"
    if order.age > FOLLOWED:
        yield (
            f"That was decided {order.age:.0f} s ago and is not followed any more: "
            "no node leads, or its leader does not know the queue."
        )
    if target is not None:
        waits = f", the oldest for {view.oldest_ready_age:.1f} s" if order.ready and view.oldest_ready_age is not None else ""
        takes = f"; a job takes {order.service:.3g} s" if order.service else ""
        yield (
            f"{noun(order.ready or 0, 'job waits', 'jobs wait')}{waits}{takes}. "
            f"To start 95 of 100 jobs within {target:g} s, {order.need:.1f} consumers are needed."
        )
    if view.gated:
        yield f"Circuits hold {noun(view.gated, 'job')} back, which is no demand: tidegate circuits list."
    if recent and recent[0].seconds > 0:
        last = recent[0]
        yield (
            f"In the {last.seconds:.0f} s before the last decision on record {noun(last.arrived, 'job')} came "
            f"({last.arrival_rate:.2g}/s) and {last.completed} ended."
        )
    if (change := CHANGES.get(order.reason or "")) is not None:
        yield f"What would change it: {change.format(queue=view.queue)}."
    elif target is not None:
        yield (
            "What would change it: other load, or another target_latency: a shorter one asks for more consumers, "
            "a longer one for fewer."
        )


def recorded(decisions: Sequence[DecisionView]) -> Iterator[str]:
    """Yield the lines of a trace (CSV): jobs that came by buckets of time, how long they took, and how much that varied.

    `decisions` are the newest first. Times in which nothing was written down had no load.
    """
    yield "timestamp,count,service,variation"
    end: datetime | None = None
    service, variation = 1.0, 1.0
    for each in reversed(decisions):
        start = each.at - timedelta(seconds=each.seconds)
        if end is not None and start > end:
            yield f"{iso(end)},0,{service:.6g},{variation:.6g}"
        elif end is not None:
            start = end
        if each.at <= start:
            continue
        if each.service_time is not None:
            service, variation = each.service_time, each.variation
        yield f"{iso(start)},{each.arrived},{service:.6g},{variation:.6g}"
        end = each.at
    if end is not None:
        yield f"{iso(end)},0,{service:.6g},{variation:.6g}"
