"""The supervisor: starts its children in order, hears of their ends, and does what `strategy` decides.

One task reads one inbox. With one_for_one each message gets a task of its own, since children have nothing to do with each other
there: one that is slow to start or to stop does not hold up its siblings. The other strategies work message by message, so that
no two restarts interleave. No code of a user's runs unguarded in here, so there is nothing in a supervisor to crash (S14).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, ClassVar, Self

from tidegate.supervision import reports
from tidegate.supervision.child import (
    AutoShutdown,
    Child,
    ChildCounts,
    ChildInfo,
    ChildSpec,
    ChildState,
    Restart,
    Strategy,
    TreeNode,
)
from tidegate.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildDown,
    ChildRestarting,
    ChildRunning,
    DuplicateChild,
    FailedToStart,
    MaxIntensity,
)
from tidegate.supervision.exits import Reason, Shutdown
from tidegate.supervision.extras import KILL_GRACE, grace
from tidegate.supervision.intensity import RestartIntensity
from tidegate.supervision.lifecycle import Lifecycle
from tidegate.supervision.observers import Observers
from tidegate.supervision.roster import Roster
from tidegate.supervision.slot import Slot, Withdrawn
from tidegate.supervision.strategy import Pacing, Plan, Verdict, check_combination, decide, plan
from tidegate.supervision.tasks import spawn

__all__ = ["Supervisor"]

AT_REST = frozenset({ChildState.DOWN, ChildState.ZOMBIE})


class Supervisor(Lifecycle):
    """Keeps its children running by their specs, and is itself a child.

    `start()` starts the children one after the other, each ready before the next, and raises `FailedToStart` when one fails.
    `intensity` restarts are allowed within any `period` seconds; one more, and it stops its children in reverse order and ends with
    `Shutdown`. With `intensity=None` it never gives up, and then a child that has a `backoff` may even fail its very first start:
    it is tried again as after any other failure.

    `on_restart(id)` is called after each successful restart, `on_retry(id, reason, seconds)` when a child ended or failed to start
    and is to be started again after so long, `on_zombie(id)` when a child outlived its kill. `rng` spreads the backoffs.
    """

    _keeps_specs: ClassVar[bool] = True
    _arguments: tuple[object, ...] = ()

    def __init__(
        self,
        children: Iterable[ChildSpec] = (),
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: float | None = 3,
        period: float = 5.0,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        name: str | None = None,
        clock: Callable[[], float] | None = None,
        rng: Random | None = None,
        on_restart: Callable[[str], None] | None = None,
        on_retry: Callable[[str, Reason, float], None] | None = None,
        on_zombie: Callable[[str], None] | None = None,
    ) -> None:
        self.strategy = Strategy(strategy)
        self.auto_shutdown = AutoShutdown(auto_shutdown)
        super().__init__(name or type(self).__name__, apart=self.strategy is Strategy.ONE_FOR_ONE)
        self.zombies = 0
        """Children that were abandoned and have not ended since."""
        self._roster = Roster()
        self._intensity = RestartIntensity(intensity, period)
        self._clock = clock
        self._rng = rng or Random(self.name)
        self._observers = Observers(self.name, on_restart, on_retry, on_zombie)
        self._since = 0.0
        for spec in children:
            if self._roster.get(spec.id) is not None:
                raise DuplicateChild(spec.id)
            self._add(spec)

    def __repr__(self) -> str:
        restarts = sum(slot.restarts for slot in self._roster)
        state = f"{self.strategy} {self.state} children={self._roster.up()}/{len(self._roster)} restarts={restarts}"
        return f"<{type(self).__name__} {self.name} {state}>"

    @property
    def kill_grace(self) -> float:
        """How long its end may take after `kill()`: as long as that of its slowest child."""
        return KILL_GRACE + max((grace(slot.child) for slot in self._roster), default=0.0)

    async def start(self) -> Self:
        """Start the children one after the other, each ready before the next (S1); `FailedToStart` when one fails (S2)."""
        self._since = self.now()
        return await super().start()

    async def start_child(self, spec: ChildSpec) -> Child:
        """Add a child behind the others and return it once it is ready; a spec that fails to start is not kept."""
        await self._require_up()
        return await self._inbox.ask(partial(self._start_child, spec))

    async def terminate_child(self, id: str) -> None:  # noqa: A002 - the public name
        """Stop a child and leave it down, its spec kept unless it is temporary."""
        await self._require_up()
        await self._inbox.ask(partial(self._terminate_child, id))

    async def restart_child(self, id: str) -> Child:  # noqa: A002 - the public name
        """Start a child that is down, and return it once it is ready."""
        await self._require_up()
        return await self._inbox.ask(partial(self._restart_child, id))

    async def delete_child(self, id: str) -> None:  # noqa: A002 - the public name
        """Forget a child that is down."""
        await self._require_up()
        await self._inbox.ask(partial(self._delete_child, id))

    def child(self, id: str) -> Any:  # noqa: A002 - the public name
        """Return the live instance of child `id`, as what it is: the type is the caller's to know."""
        slot = self._roster[id]
        if slot.child is None or slot.state is not ChildState.UP:
            raise ChildDown(id, slot.state)
        return slot.child

    def which_children(self) -> list[ChildInfo]:
        """Return all children in the order of their starts."""
        return self._roster.infos()

    def count_children(self) -> ChildCounts:
        """Return how many children there are, and of what type."""
        return self._roster.counts()

    def tree(self) -> TreeNode:
        """Return the tree from here down, for dashboards and the command line."""
        return TreeNode(self.name, "supervisor", self.state, 0, self._since, self._roster.nodes(), self.describe())

    def describe(self) -> Mapping[str, object]:
        """Return what there is to know about it besides its children."""
        return {"strategy": self.strategy.value, "zombies": self.zombies}

    # What slots ask and tell

    def now(self) -> float:
        """Return the time on the supervisor's clock."""
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()

    def child_ended(self, slot: Slot, reason: Reason) -> None:
        """Take note that a child ended by itself."""
        reports.child_terminated(self.name, slot.spec, reason)
        self._inbox.post(partial(self._on_end, slot, slot.epoch, reason))

    def child_abandoned(self, slot: Slot) -> None:
        """Count a zombie."""
        self.zombies += 1
        self._observers.abandoned(slot.id)

    def child_vanished(self, slot: Slot) -> None:  # noqa: ARG002 - all zombies count alike
        """Count a zombie out again."""
        self.zombies -= 1

    # All children at once

    async def _open(self) -> FailedToStart | None:
        for slot in self._roster:
            try:
                await slot.start()
            except Withdrawn:
                return None
            except FailedToStart as failure:
                reports.start_error(self.name, slot.spec, failure.reason)
                if not (self._intensity.endless and slot.spec.backoff is not None):
                    return failure
                self._try_later(slot, failure.reason)
            else:
                self._drop_if_ignored(slot)
        return None

    async def _close(self) -> None:
        if self._killed:
            await self._halt_together()
        else:
            for slot in reversed(self._roster):
                await slot.halt()

    async def _halt_together(self) -> None:
        halts = [spawn(slot.halt(), name=f"end of {slot.id}") for slot in reversed(self._roster)]
        if halts:
            await asyncio.wait(halts)

    def _call_off(self) -> None:
        for slot in self._roster:
            slot.close()

    def _slay(self) -> None:
        for slot in self._roster:
            slot.kill()

    # One child's end, and what follows from it

    async def _on_end(self, slot: Slot, epoch: int, reason: Reason) -> None:
        if self._void(slot, epoch):
            return
        family = self._roster.members() if slot.spec.significant else [slot.member()]
        match decide(family, slot.id, reason, self.auto_shutdown):
            case Verdict.RESTART:
                await self._again(slot, epoch, reason)
            case Verdict.SHUT_DOWN:
                self._end(Shutdown())
            case Verdict.KEEP if self._keeps_specs:
                slot.rest()
            case Verdict.FORGET | Verdict.KEEP:
                self._roster.forget(slot)

    async def _again(self, slot: Slot, epoch: int, reason: Reason) -> None:
        """Restart a child that went down: at once, or after the wait that its pacing says."""
        if self._void(slot, epoch):
            return
        slot.move(ChildState.RESTARTING)
        seconds = slot.pacing.next(slot.up_for, self._rng)
        self._observers.down(slot.id, reason, seconds)
        restart = partial(self._restart, slot, epoch, reason)
        if seconds == 0:
            await restart()
        else:
            slot.hold(asyncio.get_running_loop().call_later(seconds, self._inbox.post, restart))
            await self._clear(slot, self._plan(slot))  # what depends on it does not run on without it

    async def _restart(self, slot: Slot, epoch: int, reason: Reason) -> None:
        if self._void(slot, epoch):
            return
        if not self._intensity.allow(self.now()):
            error = MaxIntensity(slot.id, reason, self._intensity.intensity, self._intensity.period)
            reports.gave_up(self.name, slot.spec, error)
            self._end(Shutdown(error))
            return
        steps = self._plan(slot)
        await self._clear(slot, steps)
        for index, child_id in enumerate(steps.start):
            if not await self._start_again(self._roster[child_id]):
                for later in steps.start[index + 1 :]:
                    self._roster[later].rest()
                return

    async def _start_again(self, slot: Slot) -> bool:
        try:
            await slot.start()
        except Withdrawn:
            return False
        except FailedToStart as failure:
            reports.start_error(self.name, slot.spec, failure.reason)
            self._try_later(slot, failure.reason)
            return False
        slot.restarts += 1
        self._observers.restarted(slot.id)
        return True

    def _try_later(self, slot: Slot, reason: Reason) -> None:
        slot.move(ChildState.RESTARTING)
        self._inbox.post(partial(self._again, slot, slot.epoch, reason))  # behind the requests that wait already (S7)

    async def _clear(self, slot: Slot, steps: Plan) -> None:
        """Stop the siblings that go down with `slot`; what was still to be done about them is void."""
        for child_id in steps.stop:
            await self._roster[child_id].halt()
        for child_id in (*steps.forget, *steps.start):
            if child_id != slot.id:
                self._roster[child_id].expire()
        for child_id in steps.forget:
            self._roster.forget(self._roster[child_id])

    def _plan(self, slot: Slot) -> Plan:
        family = [slot.member()] if self.strategy is Strategy.ONE_FOR_ONE else self._roster.members()
        return plan(family, slot.id, self.strategy)

    def _void(self, slot: Slot, epoch: int) -> bool:
        return slot.epoch != epoch or slot not in self._roster or self._ending is not None

    # Requests

    async def _start_child(self, spec: ChildSpec) -> Child:
        slot = self._admit(spec)
        try:
            child = await slot.start()
        except FailedToStart as failure:
            if not isinstance(failure, Withdrawn):
                reports.start_error(self.name, spec, failure.reason)
            self._roster.forget(slot)
            raise
        self._drop_if_ignored(slot)
        return child

    async def _terminate_child(self, child_id: str) -> None:
        slot = self._roster[child_id]
        await slot.halt()
        if slot.spec.restart is Restart.TEMPORARY or not self._keeps_specs:
            self._roster.forget(slot)

    async def _restart_child(self, child_id: str) -> Child:
        slot = self._require_at_rest(child_id)
        try:
            return await slot.start()
        except FailedToStart as failure:
            reports.start_error(self.name, slot.spec, failure.reason)
            raise

    async def _delete_child(self, child_id: str) -> None:
        self._roster.forget(self._require_at_rest(child_id))

    def _admit(self, spec: ChildSpec) -> Slot:
        present = self._roster.get(spec.id)
        if present is None:
            return self._add(spec)
        if present.state in AT_REST:
            raise AlreadyPresent(spec.id)
        raise AlreadyStarted(spec.id, present.child)

    def _add(self, spec: ChildSpec) -> Slot:
        check_combination(spec, self.auto_shutdown)
        slot = Slot(spec, self, pacing=Pacing(spec.backoff, stable_after=self._intensity.period), arguments=self._arguments)
        self._roster.add(slot)
        return slot

    def _drop_if_ignored(self, slot: Slot) -> None:
        if slot.ignored and (slot.spec.restart is Restart.TEMPORARY or not self._keeps_specs):
            self._roster.forget(slot)

    def _require_at_rest(self, child_id: str) -> Slot:
        slot = self._roster[child_id]
        if slot.state is ChildState.RESTARTING:
            raise ChildRestarting(child_id)
        if slot.state not in AT_REST:
            raise ChildRunning(child_id)
        return slot
