"""Which suspects a node may hold: jobs that were there when a node was lost (protocol L8). Pure bookkeeping, shared by its queues.

A lost node makes every job that it held a suspect, and all but one are innocent, most often all of them. Suspects are not taken by
the claims that take all others; they have a claim of their own, and this is its gate. It admits suspects so that the next loss
tells more than the last one did:

    one loss so far           up to GROUP of them at once on a node: after a power cut nobody wants to wait for hundreds, one by one
    two losses or more        alone: no other suspect on this node, of whatever queue, until it has ended

So when a node is lost again while it holds a single suspect, that one is to blame, as far as anybody can tell, and it is dead as
poison once it has taken part in `poison_after` losses (`rescue.verdicts`). A job that takes every node down is found with its third
loss, or with the `poison_after`th where that is later; where `poison_after` is 1, a job that was in any loss runs alone, and the
second loss finds it. That is within `poison_after` + 1. Jobs that nobody suspects go on beside.

The gate sits at the claim, not at the consumer: what a node has claimed counts as held when it is lost, started or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.jobs import Job

__all__ = ["GROUP", "Quarantine", "Room", "alone_from"]

GROUP: Final = 20  # near the square root of what a large node holds (500): rounds of groups and lone runs are about as many


def alone_from(poison_after: int) -> int:
    """Return the number of losses from which on a suspect runs alone."""
    return min(2, poison_after)


@dataclass(frozen=True, slots=True)
class Room:
    """What a queue may claim: up to `n` suspects of fewer losses than `alone_from`; or, if `alone`, rather one of more."""

    n: int
    alone: bool
    alone_from: int


class Quarantine:
    """The suspects that one node holds. `enter`, then `settle` or `failed`; `let_go` whatever becomes of a job."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[str, bool]] = {}
        self._claiming: str | None = None
        self._waiting: dict[str, Callable[[], None]] = {}

    def __repr__(self) -> str:
        return f"<Quarantine held={len(self._held)} waiting={list(self._waiting)}>"

    def enter(self, queue: str, wanted: int, *, poison_after: int, wake: Callable[[], None]) -> Room | None:
        """Return what `queue` may claim now; None: nothing yet, and `wake` is called when that may have changed."""
        n = self._room(wanted)
        if n <= 0 or self._claiming is not None:
            self._waiting[queue] = wake
            return None
        self._claiming = queue
        return Room(n, alone=not self._held, alone_from=alone_from(poison_after))

    def settle(self, queue: str, room: Room, jobs: Sequence[Job[Any]]) -> None:
        """Take note of what the claim brought."""
        for job in jobs:
            self._held[job.id] = (queue, job.crashes >= room.alone_from)
        self._claimed()

    def failed(self) -> None:
        """Take note that the claim was not answered: what it may have taken is not held, and is given back as all such jobs are."""
        self._claimed()

    def let_go(self, job_id: int) -> None:
        """A job is this node's no more; most are no suspects."""
        if self._held and self._held.pop(job_id, None) is not None:
            self._wake()

    def forget(self, queue: str) -> None:
        """A queue begins anew: it holds nothing."""
        if self._claiming == queue:
            self._claiming = None
        for job_id in [job_id for job_id, (name, _) in self._held.items() if name == queue]:
            del self._held[job_id]
        self._wake()

    def _room(self, wanted: int) -> int:
        if any(alone for _, alone in self._held.values()):
            return 0
        return min(wanted, GROUP - len(self._held))

    def _claimed(self) -> None:
        self._claiming = None
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for wake in waiting.values():
            wake()
