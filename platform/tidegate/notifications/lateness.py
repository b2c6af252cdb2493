"""Which queues are late, seen by the leader in its snapshots: told when one becomes late, not while it stays so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tidegate.notifications.channels import Channel
from tidegate.store.protocol import QueueCounts

__all__ = ["Lateness"]

UNDECLARED: Final = 60.0  # seconds, for a queue that the settings of this node do not declare


class Lateness:
    """What one channel has seen late. A queue that has been late must be well within its target before it can become so again.

    The target is the rule's own `latency`, or else that of the queue, as `targets` has it.
    """

    def __init__(self, channel: Channel, targets: Mapping[str, float]) -> None:
        self.channel = channel
        self._targets = targets
        self._late: dict[str, None] = {}

    def look(self, queues: Sequence[QueueCounts]) -> list[tuple[str, dict[str, Any]]]:
        """Return the queues that have become late, each with the facts. A paused queue waits on purpose."""
        rule = self.channel.rule
        found = []
        for each in queues:
            if rule.queues and each.queue not in rule.queues:
                continue
            age = 0.0 if each.paused else each.oldest_ready_age or 0.0
            target = rule.latency or self._targets.get(each.queue, UNDECLARED)
            if age <= target / 2:
                self._late.pop(each.queue, None)
            elif age > target and each.queue not in self._late:
                self._late[each.queue] = None
                facts = {"queue": each.queue, "age": age, "target": target, "ready": each.ready, "running": each.running}
                found.append((each.queue, facts))
        return found
