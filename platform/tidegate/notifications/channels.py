"""A rule of the settings as the service works with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.settings.notifications import NOTIFIED, NotificationRule, Target, shown_target
from tidegate.store.alerts import Happening

__all__ = ["Channel", "channels_of"]


@dataclass(frozen=True, slots=True)
class Channel:
    """Where something is told, what, and how often. Its `rule` holds the secrets; the rest may be shown."""

    name: str
    rule: NotificationRule
    folder: Path

    def __repr__(self) -> str:
        return f"<Channel {self.name} {self.shown}>"

    @property
    def way(self) -> Target:
        """By what it is told."""
        return self.rule.target

    @property
    def shown(self) -> str:
        """Where it is told, without secrets."""
        return shown_target(self.rule)

    @property
    def events(self) -> tuple[str, ...]:
        """What is told."""
        return NOTIFIED if "all" in self.rule.on else self.rule.on

    def wants(self, happening: Happening) -> bool:
        """Tell whether this is to be told here."""
        if happening.channel is not None:
            return happening.channel == self.name
        if happening.event not in self.events:
            return False
        concerned = set(_queues(happening.facts))
        return not self.rule.queues or not concerned or bool(concerned & set(self.rule.queues))


def channels_of(rules: Sequence[NotificationRule], folder: Path) -> tuple[Channel, ...]:
    """Return the channels of those rules that are not switched off."""
    return tuple(Channel(rule.name or "", rule, folder) for rule in rules if rule.active)


def _queues(facts: Mapping[str, Any]) -> Sequence[str]:
    """Return the queues that something concerns; none where it cannot be told: that concerns whoever listens."""
    return [facts["queue"]] if facts.get("queue") else facts.get("queues") or ()
