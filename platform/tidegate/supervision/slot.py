"""The place of one child under its supervisor: starts it, watches it, stops it, and knows nothing of siblings or strategies.

Asking is bounded by `asyncio.wait`, never `wait_for`: a task that swallows its cancellation would hold that up for ever. What
does not end when killed is abandoned: reported with its stack, counted, and no longer waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from tidegate.supervision import reports
from tidegate.supervision.child import BRUTAL, DEFAULT, IGNORE, Child, ChildInfo, ChildSpec, ChildState, Kind, TreeNode
from tidegate.supervision.errors import FailedToStart, NotReady, StartTimeout
from tidegate.supervision.exits import Crash, Reason, Shutdown, reason_of
from tidegate.supervision.extras import describe, grace, stack
from tidegate.supervision.strategy import Member, Pacing
from tidegate.supervision.tasks import contained, spawn

__all__ = ["Keeper", "Slot", "Withdrawn"]

WORKER_SHUTDOWN = 5.0  # seconds; OTP's default for workers
LIVE = frozenset({ChildState.UP, ChildState.STARTING, ChildState.RESTARTING})


class Keeper(Protocol):
    """What a slot needs to know from, and tell to, its supervisor."""

    name: str

    def now(self) -> float:
        """Return the time on the supervisor's clock."""

    def child_ended(self, slot: Slot, reason: Reason) -> None:
        """Hear that the slot's child ended by itself."""

    def child_abandoned(self, slot: Slot) -> None:
        """Hear that a child outlived its kill."""

    def child_vanished(self, slot: Slot) -> None:
        """Hear that an abandoned child ended after all."""


class Withdrawn(FailedToStart):
    """The start was called off while it was under way."""


class Slot:
    """One child's spec, its live instance if there is one, and its state."""

    def __init__(self, spec: ChildSpec, keeper: Keeper, *, pacing: Pacing, arguments: Sequence[object] = ()) -> None:
        self.spec = spec
        self.pacing = pacing
        self.child: Child | None = None
        self.kind: Kind = "worker"
        self.state = ChildState.DOWN
        self.since = 0.0
        self.restarts = 0
        self.up_for = 0.0
        """How long the last instance was up; 0 where it did not start."""
        self.epoch = 0
        """Moves on with every start and stop; what was decided in an earlier epoch is void."""
        self.ignored = False
        """The last start found nothing to run."""
        self._keeper = keeper
        self._arguments = arguments
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._called_off: asyncio.Future[None] | None = None
        self._watcher: asyncio.Task[Reason] | None = None
        self._halting: Reason | None = None
        self._slain: Child | None = None
        self._hanging = 0
        self._closed = False
        self._brutal = False

    @property
    def id(self) -> str:
        """The child's id."""
        return self.spec.id

    async def start(self) -> Child:
        """Start a fresh instance and return it once it is ready; `FailedToStart` if it failed, `Withdrawn` if it was called off."""
        async with self._lock:
            self.expire()
            if self._closed:
                raise Withdrawn(self.id, Crash(NotReady("its supervisor is ending")))
            self.move(ChildState.RESTARTING if self.state is ChildState.RESTARTING else ChildState.STARTING)
            self.up_for = 0.0
            try:
                return await self._start()
            except FailedToStart:
                self.child = None
                if self.state is ChildState.STARTING:
                    self.rest()
                raise

    async def halt(self, reason: Reason = Shutdown()) -> None:  # noqa: B008 - frozen
        """End the instance, or its start; when this returns it has ended or was abandoned, and its end is not reported."""
        self.call_off()
        async with self._lock:
            self.expire()
            if self.child is not None and self._watcher is not None:
                self._halting = reason
                await self._stop(self.child, self._watcher, reason)
            self.child = self._watcher = self._halting = None
            self.rest()

    def hold(self, alarm: asyncio.TimerHandle) -> None:
        """Remember the alarm that will start it again, to be cancelled when the slot is started or stopped before."""
        self._timer = alarm

    def call_off(self) -> None:
        """End a start that is under way, and a wait for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._called_off is not None and not self._called_off.done():
            self._called_off.set_result(None)

    def close(self) -> None:
        """Call off a start, and start nothing any more."""
        self._closed = True
        self.call_off()

    def kill(self) -> None:
        """Close, and kill the instance without asking; `halt` then waits for its end."""
        self._brutal = True
        self.close()
        if self.child is not None:
            self._kill(self.child)

    def move(self, state: ChildState) -> None:
        """Enter `state` now, unless that is where it is."""
        if state is not self.state:
            self.state, self.since = state, self._keeper.now()

    def rest(self) -> None:
        """Be down: nothing runs, unless an abandoned instance still does."""
        self.move(ChildState.ZOMBIE if self._hanging else ChildState.DOWN)

    def expire(self) -> None:
        """Make void what was decided about it so far, and cancel the alarm."""
        self.epoch += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def member(self) -> Member:
        """Return what strategies need to know."""
        return Member(self.id, self.spec.restart, self.spec.significant, self.state in LIVE)

    def info(self) -> ChildInfo:
        """Return the line that `which_children` shows."""
        return ChildInfo(self.id, self.state, self.kind, self.restarts, self.since)

    def node(self) -> TreeNode:
        """Return this child as a node of the tree, with what is below it."""
        below = getattr(self.child, "tree", None)
        children = below().children if below is not None else ()
        return TreeNode(self.id, self.kind, self.state, self.restarts, self.since, children, describe(self.child))

    async def _start(self) -> Child:
        try:
            child = self.spec.start(*self._arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise FailedToStart(self.id, reason_of(error)) from error
        self.child, self.kind = child, "supervisor" if hasattr(child, "tree") else "worker"
        starting = spawn(contained(lambda: child.start()), name=f"start of {self.id}")  # noqa: PLW0108 - may have no start()
        called_off = self._called_off = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({starting, called_off}, timeout=self.spec.start_timeout, return_when=asyncio.FIRST_COMPLETED)
            result = await self._ready(child, starting, called_off=called_off.done())
        except asyncio.CancelledError:  # the supervisor is being killed
            starting.cancel()
            raise
        finally:
            self._called_off = None
        self.ignored = result is IGNORE
        if self.ignored:
            self.child = None
            self.rest()
        else:
            self._watcher = spawn(self._watch(child), name=f"watch over {self.id}")
            self._watcher.add_done_callback(self._ended)
            self.move(ChildState.UP)
            reports.started(self._keeper.name, self.spec)
        return child

    async def _ready(self, child: Child, starting: asyncio.Task[object], *, called_off: bool) -> object:
        """Return what `child.start()` returned; otherwise leave nothing of the child behind and say why."""
        if called_off:
            starting.cancel()
            await asyncio.wait({starting}, timeout=grace(child))
        if starting.done() and not starting.cancelled() and starting.exception() is None:
            return starting.result()
        if called_off:
            if not self._brutal:
                await self._ask(child, None, Shutdown(), self._patience())
            await self._give_up_on(child, starting)
            raise Withdrawn(self.id, Crash(NotReady("its start was called off")))
        if not starting.done():
            starting.cancel()
            await self._give_up_on(child, starting)
            raise FailedToStart(self.id, Crash(StartTimeout(f"child {self.id!r}", self.spec.start_timeout)))
        if starting.cancelled():
            raise FailedToStart(self.id, Crash(asyncio.CancelledError("its start was cancelled from outside")))
        error = starting.exception()
        raise FailedToStart(self.id, reason_of(error or NotReady("unknown"))) from error

    async def _watch(self, child: Child) -> Reason:
        try:
            return await contained(child.join)
        except asyncio.CancelledError as error:
            me = asyncio.current_task()
            if me is not None and me.cancelling():
                raise
            return self._halting or Crash(error)  # join() passed on a cancellation: ours, or one that nobody asked for
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a child that cannot even say how it ended has crashed
            return reason_of(error)

    def _ended(self, watcher: asyncio.Task[Reason]) -> None:
        if watcher is not self._watcher or self._halting is not None or watcher.cancelled():
            return
        self.up_for = self._keeper.now() - self.since
        self.child = self._watcher = None
        self.rest()
        self._keeper.child_ended(self, watcher.result())

    async def _stop(self, child: Child, watcher: asyncio.Task[Reason], reason: Reason) -> None:
        brutal = self._brutal or self.spec.shutdown is BRUTAL
        if not brutal:
            await self._ask(child, watcher, reason, self._patience())
        if not watcher.done():
            if not brutal:
                reports.killed_late(self._keeper.name, self.spec, self._patience())
            await self._give_up_on(child, watcher)
        elif not watcher.cancelled() and isinstance(end := watcher.result(), Crash):
            reports.shutdown_error(self._keeper.name, self.spec, end)

    async def _ask(self, child: Child, watcher: asyncio.Task[Reason] | None, reason: Reason, patience: float | None) -> None:
        """Ask the child to end; return once it has, or has refused with an error, or `patience` is at its end."""
        loop = asyncio.get_running_loop()
        deadline = None if patience is None else loop.time() + patience
        asking = spawn(contained(lambda: child.stop(reason, patience)), name=f"stop of {self.id}")
        asking.add_done_callback(self._asked)
        try:
            await asyncio.wait({asking, watcher or asking}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            refused = asking.done() and not asking.cancelled() and asking.exception() is not None
            if watcher is not None and not refused:  # the rest of stop() belongs to the end: a child may have a row to take back
                await asyncio.wait({asking, watcher}, timeout=None if deadline is None else max(deadline - loop.time(), 0))
        finally:
            asking.cancel()

    def _asked(self, asking: asyncio.Task[None]) -> None:
        if not asking.cancelled() and (error := asking.exception()) is not None:
            reports.shutdown_error(self._keeper.name, self.spec, Crash(error))

    async def _give_up_on(self, child: Child, running: asyncio.Task[Any]) -> None:
        """Kill the child; when `running` does not end of it, count the child as a zombie and go on."""
        self._kill(child)
        await asyncio.wait({running}, timeout=grace(child))
        if running.done():
            return
        self._hanging += 1
        reports.abandoned(self._keeper.name, self.spec, stack(child))
        self._keeper.child_abandoned(self)
        running.add_done_callback(self._vanished)

    def _kill(self, child: Child) -> None:
        if child is self._slain:
            return
        self._slain = child
        try:
            child.kill()
        except Exception as error:  # noqa: BLE001 - the child is anybody's
            reports.shutdown_error(self._keeper.name, self.spec, Crash(error))

    def _vanished(self, running: asyncio.Task[Any]) -> None:
        self._hanging -= 1
        if not running.cancelled():
            running.exception()  # looked at, so that asyncio does not complain: it was given up long ago
        if self.state is ChildState.ZOMBIE:
            self.rest()
        reports.vanished(self._keeper.name, self.spec)
        self._keeper.child_vanished(self)

    def _patience(self) -> float | None:
        if self.spec.shutdown is DEFAULT:
            return None if self.kind == "supervisor" else WORKER_SHUTDOWN
        return 0.0 if self.spec.shutdown is BRUTAL else self.spec.shutdown
