"""A consumer that handles many events at once, each in a task of its own, in a number of slots that can be changed (G72, G73).

For every slot one event is asked for; a slot whose task has ended, however it ended, asks again. Growing asks for more; shrinking
is paid by slots that have just become free, then by demand that is taken back, then by the slots that become free next: nothing
that runs is interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from tidegate.stages.consumer import Consumer
from tidegate.stages.demand import check_integer
from tidegate.stages.errors import BadOption
from tidegate.stages.life import NORMAL
from tidegate.stages.subscription import StageRef, SubRef, Subscription, Why
from tidegate.supervision.exits import Reason
from tidegate.supervision.tasks import contained, spawn

__all__ = ["TaskConsumer"]

In = TypeVar("In")

logger = logging.getLogger("tidegate.stages")


@dataclass(slots=True)
class _Account:
    """The slots of one subscription that are neither running nor asked for."""

    free: int = 0
    debt: int = 0


class TaskConsumer(Consumer[In]):
    """Give a `handler`, or override it. There are `slots` for every producer that it subscribes to.

    A handler that raises costs its own event, which goes back to its producer as INTERRUPTED; tasks are not restarted. `stop` waits
    for the running ones; those that its time-out cuts short go back in the same way. Losing a producer touches none of them.
    """

    kind: ClassVar[str] = "task_consumer"

    def __init__(
        self,
        *subs: Subscription[In] | StageRef[In],
        handler: Callable[[In], Awaitable[None]] | None = None,
        slots: int,
        ask_batch: int = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(*subs, name=name)
        if handler is None and type(self).handler is TaskConsumer.handler:
            raise BadOption("handler", handler, "a coroutine function of one event, or the method to be overridden")
        self._handler = handler
        self._slots = check_integer("slots", slots, low=0)
        self._ask_batch = check_integer("ask_batch", ask_batch, low=1)
        self._accounts: dict[SubRef, _Account] = {}
        self._tasks: dict[asyncio.Task[None], tuple[SubRef, In]] = {}

    async def handler(self, event: In) -> None:
        """Handle one event."""
        if self._handler is not None:
            await self._handler(event)

    async def handle_events(self, events: Sequence[In], sub: SubRef) -> None:
        """Start a task for each event."""
        for event in events:
            task = spawn(contained(self.handler, event), name=f"task of {self.name or type(self).__name__}")
            self._tasks[task] = (sub, event)
            task.add_done_callback(self._task_ended)

    async def stop(self, reason: Reason = NORMAL, timeout: float | None = None) -> None:
        """End it as any stage; from one of its own tasks this only takes note, since the end waits for that task."""
        if asyncio.current_task() in self._tasks:
            self._request_stop(reason)
        else:
            await super().stop(reason, timeout)

    async def resize(self, slots: int) -> None:
        """Have `slots` from now on; return when what can be taken back is taken back."""
        change = check_integer("slots", slots, low=0) - self._slots
        self._slots = slots
        for sub in list(self._accounts):
            if change > 0:
                self._grow(sub, change)
            else:
                await self._shrink(sub, -change)

    @property
    def slots(self) -> int:
        """How many events of one producer it wants to run at once."""
        return self._slots

    @property
    def running(self) -> int:
        """How many tasks run; for a while more than `slots`, after it was made smaller."""
        return len(self._tasks)

    async def _subscribe(self, options: Subscription[In]) -> SubRef:
        sub = await super()._subscribe(replace(options, manual=True))
        if sub in self._inflows:
            self._accounts[sub] = _Account()
            self.ask(sub, self._slots)
        return sub

    async def _on_ended(self, sub: SubRef, reason: Reason) -> None:
        self._accounts.pop(sub, None)
        await super()._on_ended(sub, reason)

    def _grow(self, sub: SubRef, n: int) -> None:
        account = self._accounts[sub]
        forgiven = min(account.debt, n)
        account.debt -= forgiven
        self.ask(sub, n - forgiven)

    async def _shrink(self, sub: SubRef, n: int) -> None:
        account = self._accounts[sub]
        paid = min(account.free, n)
        account.free -= paid
        if n > paid:
            account.debt += n - paid - await self.retract(sub, n - paid)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if task not in self._tasks:
            return  # its event was handed back when the stage was closed
        sub, event = self._tasks.pop(task)
        if error is not None:
            logger.error("%r: a handler raised", self, exc_info=error)
        if error is not None or task.cancelled():
            sub.undelivered([event], Why.INTERRUPTED)
        account = self._accounts.get(sub)
        if account is not None and not self._is_to_end():
            self._slot_is_free(sub, account)

    def _slot_is_free(self, sub: SubRef, account: _Account) -> None:
        if account.debt:
            account.debt -= 1
            return
        account.free += 1
        if account.free >= min(self._ask_batch, self._slots):
            self.ask(sub, account.free)
            account.free = 0

    async def _wind_down(self) -> None:
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        await super()._wind_down()

    async def _unwind(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self.kill_grace)
        await super()._unwind()

    def _close(self, reason: Reason) -> None:
        tasks, self._tasks = self._tasks, {}
        for task, (sub, event) in tasks.items():
            task.cancel()
            sub.undelivered([event], Why.INTERRUPTED)
        super()._close(reason)

    def _running(self) -> int:
        return len(self._tasks)
