"""What is read from a node while it is scraped.

Nothing here asks the database: what the fleet looks like is in the leader's snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from tidegate import __version__
from tidegate.jobs import State
from tidegate.observe import catalogue, circuit_catalogue, letters_catalogue
from tidegate.observe.families import Family, Labels, counter, gauge
from tidegate.observe.labels import Queues, short
from tidegate.store.health import REDRIVE_STATES, RedriveHealth
from tidegate.supervision import ChildDown, ChildNotFound

if TYPE_CHECKING:
    from tidegate.runtime.maintenance import Snapshot
    from tidegate.runtime.queue_manager import QueueManager
    from tidegate.runtime.queue_supervisor import QueueSupervisor
    from tidegate.store.health import Health

__all__ = ["fleet_gauges", "node_gauges"]

LIVE: Final = (State.SCHEDULED, State.READY, State.RUNNING)


def node_gauges(supervisor: QueueSupervisor, queues: Sequence[str]) -> Iterator[Family]:
    """Yield this node's own gauges; a queue that does not run has zeros."""
    managers = supervisor.managers
    consumers: dict[Labels, float] = {}
    target: dict[Labels, float] = {}
    demand: dict[Labels, float] = {}
    for queue in queues:
        alive, busy, wanted, owed = _pool(managers.get(queue))
        consumers[queue, "busy"] = busy
        consumers[queue, "idle"] = alive - busy
        consumers[queue, "starting"] = 0 if supervisor.draining else max(wanted - alive, 0)
        target[queue,] = wanted
        demand[queue,] = owed
    yield gauge(catalogue.CONSUMERS, consumers)
    yield gauge(catalogue.CONSUMERS_TARGET, target)
    yield gauge(catalogue.DEMAND, demand)
    broken = supervisor.broken
    yield gauge(catalogue.QUEUE_BROKEN, {(queue,): float(queue in broken) for queue in queues})
    lag = supervisor.lag.worst
    yield gauge(catalogue.ZOMBIE_RUNS, {(queue,): float(supervisor.runs.abandoned(queue)) for queue in queues})
    yield gauge(catalogue.LOOP_LAG, {} if lag is None else {(): lag})
    yield gauge(catalogue.LEASE_REMAINING, {(): supervisor.lease.remaining()})
    yield gauge(catalogue.BUILD_INFO, {(__version__,): 1.0})
    yield gauge(catalogue.LEADER, {(): float(supervisor.leading)})
    reach = supervisor.reach
    yield gauge(circuit_catalogue.DATABASE_AWAY, {(): float(reach is not None and reach.away)})
    yield gauge(circuit_catalogue.LISTENING, {(): float(supervisor.switchboard.heard)})
    yield counter(circuit_catalogue.DATABASE_REFUSED, {(): 0.0 if reach is None else reach.refused})


def fleet_gauges(snapshot: Snapshot | None, declared: Sequence[str], needs: Mapping[str, float], *, now: float) -> Iterator[Family]:
    """Yield the fleet's gauges out of the leader's snapshot; nothing at all without one.

    Every declared queue has samples, zeros where the snapshot has none, and so have some others that have jobs; those beyond are
    one queue, `other`.
    """
    if snapshot is None:
        return
    jobs: dict[Labels, float] = {(queue, state): 0.0 for queue in declared for state in LIVE}
    oldest: dict[Labels, float] = {(queue,): 0.0 for queue in declared}
    paused: dict[Labels, float] = {(queue,): 0.0 for queue in declared}
    free: dict[Labels, float] = {(queue,): 0.0 for queue in declared}
    free_of = {held.queue: held.free_age for held in snapshot.gated}
    labels = Queues(declared)
    for counts in snapshot.queues:
        queue = labels[counts.queue]
        for state, count in zip(LIVE, (counts.scheduled, counts.ready, counts.running), strict=True):
            jobs[queue, state] = jobs.get((queue, state), 0.0) + count
        oldest[queue,] = max(oldest.get((queue,), 0.0), counts.oldest_ready_age or 0.0)
        free[queue,] = max(free.get((queue,), 0.0), free_of.get(counts.queue, counts.oldest_ready_age) or 0.0)
        paused[queue,] = max(paused.get((queue,), 0.0), float(counts.paused))
    gated: dict[Labels, float] = dict.fromkeys(paused, 0.0)
    for held in snapshot.gated:
        queue = labels[held.queue]
        gated[queue,] = gated.get((queue,), 0.0) + held.jobs
    yield gauge(catalogue.QUEUE_JOBS, jobs)
    yield gauge(catalogue.OLDEST_READY, oldest)
    yield gauge(catalogue.QUEUE_PAUSED, paused)
    yield gauge(circuit_catalogue.QUEUE_GATED, gated)
    yield gauge(circuit_catalogue.OLDEST_FREE, free)
    yield gauge(catalogue.AUTOSCALER_NEED, {(queue,): needs.get(queue, 0.0) for queue in declared})
    yield gauge(catalogue.SNAPSHOT_AGE, {(): max(now - snapshot.at, 0.0)})
    if snapshot.health is not None:
        yield from _health_gauges(snapshot.health, declared)


def _health_gauges(health: Health, declared: Sequence[str]) -> Iterator[Family]:
    dead: dict[Labels, float] = {(queue,): 0.0 for queue in declared}
    labels = Queues(declared)
    for queue, count in health.dead_letters.items():
        dead[labels[queue],] = dead.get((labels[queue],), 0.0) + count
    yield gauge(letters_catalogue.DEAD_LETTERS_OPEN, dead)
    groups: dict[Labels, float] = {
        (group.fingerprint, short(group.kind), short(group.error)): group.dead for group in health.dead_groups
    }
    yield gauge(letters_catalogue.DEAD_GROUPS, groups)
    redrives = {state: RedriveHealth(state, 0, 0) for state in REDRIVE_STATES} | {each.state: each for each in health.redrives}
    yield gauge(letters_catalogue.REDRIVES, {(state,): each.redrives for state, each in redrives.items()})
    yield gauge(letters_catalogue.REDRIVE_LETTERS, {(state,): each.letters for state, each in redrives.items()})
    yield gauge(catalogue.TABLE_DEAD, {(table.name,): table.dead_tuples for table in health.tables})
    yield gauge(catalogue.TABLE_LIVE, {(table.name,): table.live_tuples for table in health.tables})
    yield gauge(catalogue.TABLE_BYTES, {(table.name,): table.bytes for table in health.tables})
    yield gauge(catalogue.OLDEST_TRANSACTION, {(): health.oldest_transaction_age})
    yield gauge(catalogue.OLDEST_SNAPSHOT, {(): health.oldest_snapshot_age})
    yield gauge(catalogue.CONNECTIONS, {(): health.connections})
    yield gauge(catalogue.MAX_CONNECTIONS, {(): health.max_connections})


def _pool(manager: QueueManager | None) -> tuple[int, int, int, float]:
    """Return (alive, busy, target, demand) of a queue; zeros where it, or a part of it, does not run at this moment."""
    if manager is None:
        return 0, 0, 0, 0.0
    try:
        size, owed = manager.size(), manager.session.describe()["owed"]
    except (ChildDown, ChildNotFound):  # it is being restarted
        return 0, 0, 0, 0.0
    return size.alive, size.busy, size.target, float(owed) if isinstance(owed, int) else 0.0
