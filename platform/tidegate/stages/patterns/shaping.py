"""Stages between two others that leave events out, or make others of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tidegate.stages.demand import check_integer
from tidegate.stages.producer_consumer import ProducerConsumer
from tidegate.stages.subscription import StageRef, SubRef, Subscription
from tidegate.supervision.tasks import contained, spawn

__all__ = ["Filter", "Transform"]

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")


class Filter(ProducerConsumer[T, T]):
    """Lets the events through for which `keep(event)` is true, in their order; `on_filtered` is told of the others."""

    def __init__(self, *subscribe_to: Subscription[T] | StageRef[T], keep: Callable[[T], bool], **options: Any) -> None:
        super().__init__(*subscribe_to, **options)
        self._keep = keep

    async def handle_events(self, events: Sequence[T], sub: SubRef) -> Sequence[T]:  # noqa: ARG002 - each producer's alike
        """Return what is kept."""
        verdicts = [bool(self._keep(event)) for event in events]
        if left_out := [event for event, kept in zip(events, verdicts, strict=True) if not kept]:
            self.on_filtered(left_out)
        return [event for event, kept in zip(events, verdicts, strict=True) if kept]

    def on_filtered(self, events: Sequence[T]) -> None:
        """Called with the events that go no further."""


class Transform(ProducerConsumer[In, Out]):
    """Emits `function(event)` for each event, in the order of the events; the function may be a coroutine function.

    `at_once` calls run at the same time, so that enrichment from somewhere slow is not one look-up after the other. If one raises,
    the others are cancelled, the stage crashes, and the whole batch goes back to its producer.
    """

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        function: Callable[[In], Out] | Callable[[In], Awaitable[Out]],
        at_once: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(*subscribe_to, **options)
        self._function: Callable[[In], Any] = function
        self._at_once = check_integer("at_once", at_once, low=1)

    async def handle_events(self, events: Sequence[In], sub: SubRef) -> Sequence[Out]:  # noqa: ARG002 - each producer's alike
        """Return what comes of the events."""
        if self._at_once == 1:
            return [await self._make(event) for event in events]
        made: list[Out] = []
        for start in range(0, len(events), self._at_once):
            made += await self._together(events[start : start + self._at_once])
        return made

    async def _make(self, event: In) -> Out:
        made = self._function(event)
        result: Out = await made if inspect.isawaitable(made) else made
        return result

    async def _together(self, events: Sequence[In]) -> Sequence[Out]:
        tasks = [spawn(contained(self._make, event), name=f"a call of {self.name or type(self).__name__}") for event in events]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()  # raises what it raised
            return [task.result() for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(_look_at)


def _look_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # looked at: the first one was told, and asyncio need not complain of the others
