"""Which queues are late, seen by the leader in its snapshots: told when one becomes late, not while it stays so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.notifications.channels import Channel
from tidegate.store.protocol import QueueCounts

__all__ = ["Lateness"]


class Lateness:
    """What one channel has seen late. A queue that has been late must be well within its target before it can become so again."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._late: dict[str, None] = {}

    def look(self, queues: Sequence[QueueCounts]) -> list[tuple[str, dict[str, Any]]]:
        """Return the queues that have become late, each with the facts. A paused queue waits on purpose."""
        rule = self.channel.rule
        found = []
        for each in queues:
            if rule.queues and each.queue not in rule.queues:
                continue
            age = 0.0 if each.paused else each.oldest_ready_age or 0.0
            if age <= rule.latency / 2:
                self._late.pop(each.queue, None)
            elif age > rule.latency and each.queue not in self._late:
                self._late[each.queue] = None
                facts = {"queue": each.queue, "age": age, "target": rule.latency, "ready": each.ready, "running": each.running}
                found.append((each.queue, facts))
        return found
