"""A queue's scaling policy as the runtime keeps it: made of its settings, bounded anew as nodes come and go, and distrusted.

The policies of the house are asked directly. A user's own is asked in a thread, for a moment; while it thinks for longer, raises,
or says what cannot be, the size stays as it is.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable
from typing import Any, Final

from tidegate.errors import TidegateError
from tidegate.scaling import Decision, Observation, ScalingPolicy, make_policy
from tidegate.settings import QueueSettings

__all__ = ["QueuePolicy"]

logger = logging.getLogger("tidegate.scaling")

STARTUP: Final = {"process": 2.0}
"""Seconds until a new consumer runs its first job, by executor; elsewhere it is one of a tick's small change."""
QUICK: Final = 0.1
PATIENCE: Final = 0.5  # seconds for which a policy of the user's own may think


class _Unusable(TidegateError):
    """What a policy said cannot be."""


class QueuePolicy:
    """The policy of one queue. Raises BadPolicy where it cannot be made."""

    def __init__(self, queue: QueueSettings) -> None:
        self._queue = queue
        self._own = ":" in queue.scaling.policy
        self._bounds = (queue.consumers.min, queue.consumers.max)
        self._policy = self._make(*self._bounds)
        self._thinking = False
        self._complained = False

    def bound(self, least: int, most: int) -> None:
        """Decide between these from now on."""
        most = max(most, 1)
        if (least, most) == self._bounds:
            return
        self._bounds = (least, most)
        adjust = None if self._own else getattr(self._policy, "bound", None)
        if adjust is not None:
            adjust(least, most)
        else:
            self._policy = self._make(least, most)

    async def decide(self, now: float, seen: Observation) -> Decision:
        """Return what the policy says, within the bounds; what it is now, where it says nothing that can be followed."""
        least, most = self._bounds
        try:
            said = await self._ask(now, seen) if self._own else self._policy.decide(now, seen)
            decision = _checked(said)
        except Exception as error:  # a user's own policy may raise anything; it must not take the node along
            if not self._own:
                raise
            self._complain(error)
            return Decision(min(max(seen.target, least), most), "policy_failed", float(seen.target))
        self._complained = False
        target = min(max(decision.target, least), most)
        if target == decision.target:
            return decision
        return Decision(target, "queue_max" if decision.target > most else "queue_min", decision.need)

    async def _ask(self, now: float, seen: Observation) -> Decision:
        if self._thinking:
            raise _Unusable("it still thinks about an earlier question")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Callable[[], Decision]] = loop.create_future()

        def ask() -> None:
            try:
                decision = self._policy.decide(now, seen)
            except BaseException as error:  # noqa: BLE001 - raised where it was asked
                said: Callable[[], Decision] = _raising(error)
            else:
                said = _saying(decision)
            self._thinking = False
            try:
                loop.call_soon_threadsafe(_give, answer, said)
            except RuntimeError:  # the loop has ended meanwhile
                return

        self._thinking = True
        threading.Thread(target=ask, name=f"policy of {self._queue.name}", daemon=True).start()
        await asyncio.wait({answer}, timeout=PATIENCE)
        if not answer.done():
            answer.cancel()
            raise _Unusable(f"it needs more than {PATIENCE:g} s to decide")
        return answer.result()()

    def _complain(self, error: BaseException) -> None:
        if not self._complained:
            self._complained = True
            logger.warning(
                "queue %s: the scaling policy %s cannot be followed (%s: %s); the size stays as it is",
                self._queue.name, self._queue.scaling.policy, type(error).__name__, error,
            )  # fmt: skip

    def _make(self, least: int, most: int) -> ScalingPolicy:
        scaling = self._queue.scaling
        options: dict[str, Any] = {}
        if scaling.policy == "deadline":
            options = {"preset": scaling.preset, "cooldown": scaling.cooldown}
        elif scaling.policy == "steps":
            steps = scaling.steps
            options = {
                "up": {steps.many: steps.many_add, steps.some: steps.some_add},
                "below": steps.few,
                "down": steps.few_remove,
                "every": steps.every,
            }
        return make_policy(
            scaling.policy,
            min_consumers=least,
            max_consumers=most,
            target_latency=scaling.target_latency,
            startup=STARTUP.get(self._queue.executor, QUICK),
            tick=scaling.tick,
            **options,
        )


def _checked(said: Any) -> Decision:
    """Return a decision that can be followed; raises for anything else."""
    target, need = getattr(said, "target", None), getattr(said, "need", None)
    if isinstance(target, bool) or not isinstance(target, int):
        raise _Unusable(f"it said {said!r}, which has no whole number as its target")
    if isinstance(need, bool) or not isinstance(need, int | float) or not math.isfinite(need):
        raise _Unusable(f"it said {said!r}, which has no finite number as its need")
    return Decision(target, str(getattr(said, "reason", "")) or "policy", float(need))


def _give(answer: asyncio.Future[Callable[[], Decision]], said: Callable[[], Decision]) -> None:
    if not answer.done():  # nobody waits for it any more
        answer.set_result(said)


def _saying(decision: Decision) -> Callable[[], Decision]:
    return lambda: decision


def _raising(error: BaseException) -> Callable[[], Decision]:
    def fail() -> Decision:
        raise _Unusable(f"{type(error).__name__}: {error}") from error

    return fail
