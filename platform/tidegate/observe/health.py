"""Whether a node does its work, as those ask who send it work or restart it.

Alive and ready are two things: a process that answers at all is alive, and restarting it mends nothing that waiting would not.
It is ready when its database answers and all its queues run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.supervision import ChildDown, ChildNotFound

if TYPE_CHECKING:
    from tidegate.runtime.queue_manager import QueueManager
    from tidegate.runtime.queue_supervisor import QueueSupervisor

__all__ = ["QueueHealth", "Readiness", "judge", "readiness"]


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """What is known of one queue on this node; a queue that does not run has no session."""

    queue: str
    runs: bool
    connected: bool = False
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a node does its work, and if not, each reason as a sentence."""

    node: str
    database: bool
    draining: bool
    broken: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems

    def as_json(self) -> Mapping[str, Any]:
        """Return it as /readyz shows it."""
        return {
            "ready": self.ready,
            "node": self.node,
            "database": "up" if self.database else "down",
            "draining": self.draining,
            "broken": list(self.broken),
            "problems": list(self.problems),
        }


def judge(node: str, queues: Sequence[QueueHealth], *, lease_remaining: float, draining: bool = False) -> Readiness:
    """Decide whether a node is ready. The queues of one that drains end one after the other: that is not broken."""
    broken = () if draining else tuple(each.queue for each in queues if not each.runs)
    away = tuple(each.queue for each in queues if each.runs and not each.connected)
    draining = draining or any(each.draining for each in queues)
    problems = [f"queue {queue} does not run" for queue in broken]
    if away:
        problems.append(f"the database does not answer (asked by {', '.join(away)})")
    if lease_remaining <= 0:
        problems.append("the node's lease has run out: its heartbeats do not reach the database")
    if draining:
        problems.append("the node drains: it claims nothing more")
    return Readiness(node, database=not away and lease_remaining > 0, draining=draining, broken=broken, problems=tuple(problems))


def readiness(supervisor: QueueSupervisor) -> Readiness:
    """Return whether a running node is ready, as its supervision tree shows it now."""
    managers = supervisor.managers
    queues = [_health(queue, managers.get(queue)) for queue in supervisor.queues]
    return judge(supervisor.node, queues, lease_remaining=supervisor.lease.remaining(), draining=supervisor.draining)


def _health(queue: str, manager: QueueManager | None) -> QueueHealth:
    if manager is None:
        return QueueHealth(queue, runs=False)
    try:
        session = manager.session
    except (ChildDown, ChildNotFound):  # it is being restarted
        return QueueHealth(queue, runs=False)
    return QueueHealth(queue, runs=True, connected=session.connected, draining=session.draining)
