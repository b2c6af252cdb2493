"""Looking at a platform from outside: queues, jobs, nodes, out of the tables and nothing else.

Every question is one short statement or a few, at a cost that does not grow with what waits. Nothing is locked and nothing changed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate.errors import NotFound, nearest
from tidegate.introspection.asking import asking
from tidegate.introspection.circuit_views import why_gated
from tidegate.introspection.circuits import Circuits, gated_jobs
from tidegate.introspection.explain import JobFacts, QueueFacts, Why, why_job, why_queue
from tidegate.introspection.node_views import LostView, NodeView
from tidegate.introspection.shapes import AttemptView, JobDetail, JobView, PoolView, QueueView
from tidegate.introspection.stored import call_parts, readable
from tidegate.jobs import State, Word
from tidegate.plurals import noun
from tidegate.redaction import Redactor
from tidegate.store.protocol import UNKNOWN_AFTER
from tidegate.store.rows import EXACT_COUNT, estimated
from tidegate.store.statements import statement

__all__ = ["STATES", "Inspector", "JobFilter"]

STATES: Final = tuple(state.value for state in State)
NEWEST: Final = 2**63 - 1
LOST_LATELY: Final = 3_600.0  # seconds; a node's row is kept for a day

Known = Callable[[str, str], int | None]
"""What a job of (queue, kind) may be tried at most, where that is known; a row keeps only what its enqueuer said."""

Redactors = Callable[[str], Redactor]
"""What is secret about the calls of a kind."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are asked for: an empty part asks for all. `before` is the id of the last job seen: the list goes on after it."""

    queues: Sequence[str] = ()
    kinds: Sequence[str] = ()
    states: Sequence[str] = ()
    before: int | None = None


class Inspector:
    """Answers over one autocommit connection (`store.connection.connect`), for the declared `queues` and whatever else there is."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        *,
        queues: Sequence[str] = (),
        max_attempts: Known | None = None,
        redactors: Redactors | None = None,
    ) -> None:
        self._connection = connection
        self._declared = tuple(queues)
        self._max_attempts: Known = max_attempts or (lambda _queue, _kind: None)
        self._redactors: Redactors = redactors or (lambda _kind: Redactor())

    def queues(self) -> list[QueueView]:
        """Return every queue that is declared or has anything, the declared ones first."""
        with asking("look at the queues"):
            return self._queues()

    def queue(self, name: str) -> QueueView:
        """Return one queue; NotFound where it is neither declared nor has anything."""
        views = {view.queue: view for view in self.queues()}
        if name not in views:
            close = nearest(name, views)
            raise NotFound(
                f"there is no queue {name!r}{f'; did you mean {close[0]!r}?' if close else ''}",
                hint=f"queues: {', '.join(views) or 'none'}",
            )
        return views[name]

    def jobs(self, wanted: JobFilter = JobFilter(), *, limit: int = 20) -> list[JobView]:
        """Return up to `limit` jobs, live, finished and dead in one list, the newest first."""
        params = {
            "queues": list(wanted.queues) or None,
            "kinds": list(wanted.kinds) or None,
            "states": list(wanted.states) or list(STATES),
            "before": NEWEST if wanted.before is None else wanted.before,
            "n": limit,
        }
        with asking("list the jobs"):
            return [self._job(row) for row in self._rows("inspect_jobs", params)]

    def job(self, job_id: int) -> JobDetail:
        """Return everything about one job; NotFound where there is none, or its retention is over."""
        with asking("look at the job"):
            rows = self._rows("inspect_job", {"id": job_id}) if job_id < NEWEST else []
        if not rows:
            raise NotFound(
                f"there is no job {job_id}",
                hint="finished jobs are kept as long as `retention` says; `tidegate jobs list` shows those there are",
            )
        return self._detail(rows[0])

    def explain_job(self, job_id: int) -> tuple[JobDetail, list[Why]]:
        """Return a job and every reason why it is not running; NotFound where there is none."""
        detail = self.job(job_id)
        with asking("explain the job"):
            rows = self._rows("explain_job", {"id": job_id, "exact": EXACT_COUNT})
            if not rows:
                return detail, [Why("over", f"it is {detail.job.state}", f"tidegate jobs show {job_id}")]
            [row] = rows
            queue = self._queue_facts(row.pop("queue"), paused=row.pop("paused"))
            facts = JobFacts(**row, queue=queue, held_back=self._held_back(row["kind"]))
        return detail, why_job(facts)

    def explain_queue(self, name: str) -> list[Why]:
        """Return every reason why a queue's line does not move; NotFound where there is no such queue."""
        view = self.queue(name)
        with asking("explain the queue"):
            facts = self._queue_facts(name, paused=view.paused)
            held = self._held_back_in(name)
        return why_queue(replace(facts, ready=view.ready, scheduled=view.scheduled, running=view.running, held_back=held))

    def _queue_facts(self, name: str, *, paused: bool) -> QueueFacts:
        serving = [node for node in self._nodes() if name in node.queues]
        return QueueFacts(name, paused, serving, ready=0, scheduled=0, running=0)

    def _held_back(self, kind: str) -> Why | None:
        views = (view for view in Circuits(self._connection).all() if kind in view.kinds)
        return next((why for view in views if (why := why_gated(view)) is not None), None)

    def _held_back_in(self, queue: str) -> list[Why]:
        gated = {each.circuit: each.jobs for each in gated_jobs(self._connection) if each.queue == queue}
        found = ((view, why_gated(view)) for view in Circuits(self._connection).all() if view.circuit in gated)
        return [
            replace(why, text=f"{noun(gated[view.circuit], 'ready job of it waits', 'ready jobs of it wait')}: {why.text}")
            for view, why in found
            if why is not None
        ]

    def nodes(self) -> list[NodeView]:
        """Return the live nodes, the oldest first."""
        with asking("look at the nodes"):
            return self._nodes()

    def kinds(self) -> Sequence[str]:
        """Return the kinds that live nodes know; none where no node lives."""
        with asking("look at the kinds"):
            return [row["kind"] for row in self._rows("known_kinds", {"age": UNKNOWN_AFTER})]

    def lost(self, *, age: float = LOST_LATELY) -> list[LostView]:
        """Return the nodes that were lost within `age` seconds and what they held, the last one first."""
        with asking("look at the nodes"):
            rows = self._rows("inspect_lost", {"age": age})
        return [
            LostView(
                node=row["id"],
                host=row["host"],
                pid=row["pid"],
                version=row["version"],
                started_at=row["started_at"],
                queues=tuple(row["queues"]),
                last_beat=row["beat_at"],
                silent_for=row["silent_for"],
                why=row["why"],
                held=tuple(json.loads(row["held"])),
            )
            for row in rows
        ]

    def _queues(self) -> list[QueueView]:
        nodes = self._nodes()
        controls = {row["queue"]: row for row in self._rows("controls")}
        told = [name for name, row in controls.items() if row["paused"] or row["scale"] is not None]
        dead = {row["queue"]: row["dead"] for row in self._rows("inspect_dead")}
        named = _union(self._declared, sorted({queue for node in nodes for queue in node.queues} | {*told, *dead}))
        counts = {row["queue"]: row for row in self._rows("snapshot", {"queues": named, "exact": EXACT_COUNT})}
        gated = Counter[str]()
        for each in gated_jobs(self._connection):
            gated[each.queue] += each.jobs
        return [
            self._queue(counts[name], nodes, dead.get(name, 0), gated[name], controls.get(name, {}))
            for name in _union(named, counts)
        ]

    def _queue(
        self, row: Mapping[str, Any], nodes: Sequence[NodeView], dead: int, gated: int, controls: Mapping[str, Any]
    ) -> QueueView:
        name = row["queue"]
        serving = [node for node in nodes if name in node.queues]
        return QueueView(
            queue=name,
            paused=row["paused"],
            broken=any(name in node.broken for node in serving),
            scheduled=self._size(name, "scheduled", row["scheduled"]),
            ready=self._size(name, "ready", row["ready"]),
            running=row["running"],
            dead=dead,
            oldest_ready_age=row["oldest_ready_age"],
            consumers=sum((node.pool(name) for node in serving), PoolView()),
            nodes=len(serving),
            gated=gated,
            scale=controls.get("scale"),
            scale_until=controls.get("scale_until"),
        )

    def _size(self, queue: str, state: str, counted: int) -> int:
        if counted <= EXACT_COUNT:
            return counted
        [row] = self._rows("estimate", {"queue": queue, "state": state})
        return estimated(row["QUERY PLAN"])

    def _nodes(self) -> list[NodeView]:
        return [
            NodeView(
                node=row["id"],
                host=row["host"],
                pid=row["pid"],
                version=row["version"],
                started_at=row["started_at"],
                heartbeat_age=row["heartbeat_age"],
                leader=row["leader"],
                queues=tuple(row["queues"]),
                status=_mapping(row["status"]),
                said_at=row["said_at"],
                said_age=row["said_age"],
                lease=row["lease"],
            )
            for row in self._rows("inspect_nodes")
        ]

    def _job(self, row: Mapping[str, Any]) -> JobView:
        said = row["max_attempts"]
        return JobView(
            id=row["id"],
            queue=row["queue"],
            kind=row["kind"],
            state=row["state"],
            priority=row["priority"],
            attempt=row["attempt"],
            max_attempts=self._max_attempts(row["queue"], row["kind"]) if said is None else said,
            enqueued_at=row["enqueued_at"],
            run_at=row["run_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )

    def _detail(self, row: Mapping[str, Any]) -> JobDetail:
        redactor = self._redactors(row["kind"])
        args, kwargs = call_parts(row["args"])
        stored = redactor.value(readable(row["args"])) if args is None else None
        if args is not None and kwargs is not None:
            args, kwargs = redactor.call(args, kwargs)
        return JobDetail(
            job=self._job(row),
            args=args,
            kwargs=kwargs,
            stored=stored,
            meta={} if row["meta"] is None else redactor.value(readable(row["meta"])),
            result=redactor.value(readable(row["result"])),
            attempts=tuple(_attempts(row)),
            lease=row["lease"],
            node=row["node"],
            crashes=row["crashes"],
            cancel_requested=row["cancel_requested"],
            error_type=row["error_type"],
            error_message=row["error_message"],
            reason=row["reason"],
            retried_as=row["retried_as"],
        )

    def _rows(self, name: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


def _attempts(row: Mapping[str, Any]) -> Iterable[AttemptView]:
    """Read the attempts that are told, and add the one that is not: a first try that went well is told by the job's own row."""
    told = [AttemptView.of(each) for each in json.loads(row["attempts"])]
    yield from told
    if row["state"] == State.COMPLETED and row["lease"] not in [attempt.lease for attempt in told]:
        yield AttemptView(
            attempt=row["attempt"],
            outcome=Word.DONE,
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            duration=row["duration"],
            node=row["node"],
            lease=row["lease"],
        )


def _mapping(text: str | None) -> Mapping[str, Any]:
    told = readable(text)
    return told if isinstance(told, dict) else {}


def _union(*names: Iterable[str]) -> list[str]:
    """Return all names in order, each once."""
    return list(dict.fromkeys(name for some in names for name in some))
