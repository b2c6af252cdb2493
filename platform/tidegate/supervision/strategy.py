"""What a supervisor decides when a child ends: pure functions over what is known about its children (rules S3-S5, S11).

Nothing is started or stopped here: `decide` returns a verdict, `plan` the ids to stop, forget and start, each in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import assert_never

from tidegate.backoff import Backoff
from tidegate.supervision.child import AutoShutdown, ChildSpec, Restart, Strategy
from tidegate.supervision.errors import BadCombination
from tidegate.supervision.exits import Reason, expected

__all__ = ["Member", "Pacing", "Plan", "Verdict", "check_combination", "decide", "plan", "restart_worthy"]


@dataclass(frozen=True, slots=True)
class Member:
    """One child as far as decisions need it, in the order of starts. `live`: an instance runs, or is about to."""

    id: str
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    live: bool = True


class Verdict(Enum):
    """What to do about a child that ended."""

    RESTART = auto()
    KEEP = auto()
    """Keep its spec; nothing runs."""
    FORGET = auto()
    SHUT_DOWN = auto()
    """It was significant: the supervisor ends, too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restart means for a supervisor: ids to stop one after the other, to forget, then to start one after the other."""

    stop: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    start: tuple[str, ...] = ()


def restart_worthy(restart: Restart, reason: Reason) -> bool:
    """Tell whether a child of this kind is started again after `reason` (S3)."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return not expected(reason)
        case Restart.TEMPORARY:
            return False
        case _:
            assert_never(restart)


def decide(members: Sequence[Member], child_id: str, reason: Reason, auto_shutdown: AutoShutdown) -> Verdict:
    """Return what to do about the end of child `child_id` (S3, S11)."""
    ended = next(member for member in members if member.id == child_id)
    if restart_worthy(ended.restart, reason):
        return Verdict.RESTART
    if ended.significant and _ends_all(members, ended, auto_shutdown):
        return Verdict.SHUT_DOWN
    return Verdict.FORGET if ended.restart is Restart.TEMPORARY else Verdict.KEEP


def plan(members: Sequence[Member], child_id: str, strategy: Strategy) -> Plan:
    """Return what restarting the child takes (S4, S5): temporary siblings are forgotten, all others start, even those long done."""
    affected = _affected(members, child_id, strategy)
    return Plan(
        stop=tuple(member.id for member in reversed(affected) if member.live and member.id != child_id),
        forget=tuple(member.id for member in affected if member.restart is Restart.TEMPORARY),
        start=tuple(member.id for member in affected if member.restart is not Restart.TEMPORARY),
    )


def check_combination(spec: ChildSpec, auto_shutdown: AutoShutdown) -> None:
    """Refuse a significant child that could never be significant (S11)."""
    if not spec.significant:
        return
    if spec.restart is Restart.PERMANENT:
        raise BadCombination(f"child {spec.id!r} is significant and permanent", hint="make it transient or temporary")
    if auto_shutdown is AutoShutdown.NEVER:
        raise BadCombination(
            f"child {spec.id!r} is significant, but its supervisor's auto_shutdown is never",
            hint="give the supervisor auto_shutdown any_significant or all_significant",
        )


class Pacing:
    """How long one child waits before it is started again: not at all the first time, then along its backoff.

    It starts over once the child stayed up for `stable_after` seconds and for longer than it last waited.
    """

    def __init__(self, backoff: Backoff | None, *, stable_after: float) -> None:
        self._backoff = backoff
        self._stable_after = stable_after
        self._tries = 0
        self._waited = 0.0

    def next(self, up_for: float, rng: Random) -> float:
        """Return the seconds to wait now that the child is down after `up_for` seconds (0: it did not start)."""
        if self._backoff is None:
            return 0.0
        if up_for > max(self._stable_after, self._waited):
            self._tries = 0
        self._waited = self._backoff.delay(self._tries, rng) if self._tries else 0.0
        self._tries += 1
        return self._waited


def _affected(members: Sequence[Member], child_id: str, strategy: Strategy) -> Sequence[Member]:
    at = next(index for index, member in enumerate(members) if member.id == child_id)
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return members[at : at + 1]
        case Strategy.REST_FOR_ONE:
            return members[at:]
        case Strategy.ONE_FOR_ALL:
            return members
        case _:
            assert_never(strategy)


def _ends_all(members: Sequence[Member], ended: Member, auto_shutdown: AutoShutdown) -> bool:
    match auto_shutdown:
        case AutoShutdown.NEVER:
            return False
        case AutoShutdown.ANY_SIGNIFICANT:
            return True
        case AutoShutdown.ALL_SIGNIFICANT:
            return not any(member.significant and member.live for member in members if member.id != ended.id)
        case _:
            assert_never(auto_shutdown)
