"""Who gets how many consumers: a queue's over the nodes of a fleet, and a host's over its queues. Pure and deterministic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Claimant", "CpuCap", "Grant", "fit", "share_out"]

BUSY: Final = 0.85  # of the host's processors: above it for a hold, nothing grows
FULL: Final = 0.95  # above it, pools shrink
SHRINK: Final = 0.9  # each tick, while it is full


def share_out(want: int, nodes: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Divide `want` consumers among nodes by their (least, most): in proportion to the most, each within its bounds.

    The shares sum up to `want` where the bounds allow it, else they come as near as the bounds do.
    """
    sizes = {node: most for node, (_, most) in nodes.items()}
    weight = sum(sizes.values())
    ideal = {node: want * size / weight if weight else 0.0 for node, size in sizes.items()}
    shares = {node: min(max(math.floor(ideal[node]), least), most) for node, (least, most) in nodes.items()}
    missing = want - sum(shares.values())
    step = 1 if missing > 0 else -1
    while missing:
        open_ = [n for n, (least, most) in nodes.items() if (shares[n] < most if step > 0 else shares[n] > least)]
        if not open_:
            break
        chosen = max(open_, key=lambda node: (step * (ideal[node] - shares[node]), node))
        shares[chosen] += step
        missing -= step
    return shares


@dataclass(frozen=True, slots=True)
class Claimant:
    """What one queue wants on a host."""

    least: int
    want: int
    now: int
    """How many it has."""
    memory: int = 0
    """Bytes that one more consumer takes; 0 where it takes none worth counting."""
    work: float = 0.0
    """Seconds of work that wait, for the whole of its pool here."""
    target_latency: float = 5.0

    def lateness(self, consumers: int) -> float:
        """Return the predicted wait with so many consumers, as a share of what is allowed."""
        return self.work / max(consumers, 0.5) / self.target_latency


@dataclass(frozen=True, slots=True)
class Grant:
    """What a queue gets, and which limit of the host it met; None where it got what it wanted."""

    size: int
    cap: str | None = None


def fit(queues: Mapping[str, Claimant], *, memory: float = math.inf, total: float = math.inf) -> dict[str, Grant]:
    """Divide a host among its queues: each has its least, then the next consumer goes to the queue that would be latest.

    `memory` is what may be taken beyond what runs, in bytes; `total` the most consumers of all queues together.
    """
    grown = sum(max(each.want - each.now, 0) * each.memory for each in queues.values())
    if grown <= memory and sum(each.want for each in queues.values()) <= total:
        return {name: Grant(each.want) for name, each in queues.items()}
    sizes = {name: min(each.least, each.want) for name, each in queues.items()}
    caps: dict[str, str | None] = dict.fromkeys(queues)
    left = memory - sum(max(sizes[name] - each.now, 0) * each.memory for name, each in queues.items())
    while open_ := [name for name, each in queues.items() if sizes[name] < each.want and caps[name] is None]:
        if sum(sizes.values()) >= total:
            caps.update(dict.fromkeys(open_, "cpu"))
            break
        name = max(open_, key=lambda each: (queues[each].lateness(sizes[each]), -sizes[each], each))
        cost = queues[name].memory if sizes[name] >= queues[name].now else 0
        if cost > left:
            caps[name] = "memory"
            continue
        left -= cost
        sizes[name] += 1
    return {name: Grant(size, caps[name]) for name, size in sizes.items()}


class CpuCap:
    """The most consumers of a host whose processors are busy: no growth above 85 % for a hold, fewer each tick above 95 %.

    What others use the processors for is not ours to mend: the cap holds only while this node uses half of what is used.
    """

    def __init__(self, *, hold: float = 5.0) -> None:
        self._hold = hold
        self._busy_for = 0.0
        self._cap = math.inf

    def see(self, dt: float, *, used: float, own: float, consumers: int) -> float:
        """Return the most consumers at present; `used` and `own` are shares of all processors, from 0 to 1."""
        if used <= BUSY or own < used / 2:
            self._busy_for, self._cap = 0.0, math.inf
            return self._cap
        self._busy_for += max(dt, 0.0)
        if self._busy_for >= self._hold:
            self._cap = min(self._cap, consumers)
            if used > FULL:
                self._cap = max(math.floor(self._cap * SHRINK), 1)
        return self._cap
