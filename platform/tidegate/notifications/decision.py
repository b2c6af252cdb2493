"""What a channel is told now, and what is held back: a pure decision over what it remembers.

The first of a group is told. What comes of the same group within `repeat` seconds is held back, and so is whatever is beyond `rate`
in a minute. What is held back is counted by group, and told in a digest every `digest` seconds: nothing is dropped. A digest counts
as telling its groups, so that a group that goes on and on is told once, and from then on in digests only.

Bounded: beyond `GROUPS` groups that are held back, further ones are counted together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tidegate.notifications.wording import body, digest_body, title
from tidegate.store.alerts import Happening

__all__ = ["GROUPS", "Held", "Limits", "Memory", "decide"]

GROUPS: Final = 500
MINUTE: Final = 60.0
OTHERS: Final = "others"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a channel is told."""

    repeat: float
    rate: int
    digest: float


@dataclass(frozen=True, slots=True)
class Held:
    """What is held back of one group."""

    event: str
    group: str
    title: str
    count: int
    first: float
    last: float

    def with_more(self, happening: Happening) -> Held:
        """Count another happening in."""
        first = happening.at if happening.first is None else happening.first
        count, last = self.count + happening.count, max(self.last, happening.at)
        return replace(self, count=count, first=min(self.first, first), last=last)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a channel was told when, by group, what it was sent in the last minute, and what is held back since when."""

    told: Mapping[str, float] = field(default_factory=dict)
    sent: tuple[float, ...] = ()
    held: Mapping[str, Held] = field(default_factory=dict)
    held_since: float | None = None

    @classmethod
    def read(cls, written: Mapping[str, Any] | None) -> Memory:
        """Return a memory as it was written down; an empty one for nothing."""
        if not written:
            return cls()
        held = {key: Held(*each) for key, each in written["held"].items()}
        return cls(dict(written["told"]), tuple(written["sent"]), held, written["held_since"])

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        held = {key: [each.event, each.group, each.title, each.count, each.first, each.last] for key, each in self.held.items()}
        return {"told": dict(self.told), "sent": list(self.sent), "held": held, "held_since": self.held_since}


def decide(memory: Memory, happenings: Sequence[Happening], limits: Limits, now: float) -> tuple[Memory, list[dict[str, Any]]]:
    """Return what the channel remembers from `now` on, and the bodies of what it is told."""
    told = {key: at for key, at in memory.told.items() if now - at < limits.repeat}
    sent = [at for at in memory.sent if now - at < MINUTE]
    held, held_since = dict(memory.held), memory.held_since
    bodies: list[dict[str, Any]] = []
    if held and held_since is not None and now - held_since >= limits.digest:
        bodies.append(digest_body([_shown(each) for each in _most_first(held)], since=held_since, now=now))
        told |= dict.fromkeys(held, now)
        held, held_since = {}, None
    for happening in happenings:
        key = f"{happening.event} {happening.group}"
        if key not in told and key not in held and len(sent) < limits.rate:
            bodies.append(body(happening))
            told[key] = now
            sent.append(now)
            continue
        held_since = now if held_since is None else held_since
        key = key if key in held or len(held) < GROUPS else OTHERS
        held[key] = held[key].with_more(happening) if key in held else _held(key, happening)
    return Memory(_newest(told), tuple(sent), held, held_since), bodies


def _held(key: str, happening: Happening) -> Held:
    first = happening.at if happening.first is None else happening.first
    if key == OTHERS:
        return Held(OTHERS, OTHERS, "of other groups", happening.count, first, happening.at)
    return Held(happening.event, happening.group, title(happening), happening.count, first, happening.at)


def _most_first(held: Mapping[str, Held]) -> list[Held]:
    return sorted(held.values(), key=lambda each: -each.count)


def _shown(held: Held) -> dict[str, Any]:
    return {
        "event": held.event,
        "group": held.group,
        "title": held.title,
        "count": held.count,
        "first": held.first,
        "last": held.last,
    }


def _newest(told: Mapping[str, float]) -> dict[str, float]:
    """Return the groups that were told last: as many as may be held back."""
    if len(told) <= 4 * GROUPS:
        return dict(told)
    newest = sorted(told.items(), key=lambda each: each[1])[-4 * GROUPS :]
    return dict(newest)
