"""What all stages have in common: calls, casts and infos, and callbacks that never overlap (G1).

Every callback runs in the stage's own task, one after the other, in the order of the mailbox. What the stage will not get to any
more, because it ended, is settled: callers get `StageGone`, casts and infos go to `on_dropped`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from tidegate.stages.errors import StageGone, Unanswered
from tidegate.stages.life import Life
from tidegate.stages.mailbox import Receive
from tidegate.stages.subscription import SubRef
from tidegate.supervision.exits import NoProc, Reason

__all__ = ["Stage"]

logger = logging.getLogger("tidegate.stages")


class Stage(Life):
    """Subclass Producer, Consumer, ProducerConsumer or TaskConsumer, not this. Others subscribe to a stage by object or by name."""

    kind: ClassVar[str] = "stage"
    produces: ClassVar[bool] = False

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._answer: asyncio.Future[Any] | None = None

    async def call(self, request: Any, timeout: float = 5.0) -> Any:
        """Return what `handle_call` answers; raise StageGone if the stage ends first, TimeoutError after `timeout` seconds."""
        return await self._request(self._on_call, request, timeout)

    def cast(self, request: Any) -> None:
        """Have `handle_cast` called with `request`; if the stage ends before that, `on_dropped` is."""
        if self._closed:
            self._dropped(request)
        self._post(self._on_cast, None, request)

    def info(self, message: Any) -> None:
        """Have `handle_info` called with `message`, after all events that a producer has buffered by now (G42)."""
        if self._closed:
            self._dropped(message)
        self._post(self._on_info, None, message)

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values, for introspection."""
        return {"kind": self.kind, "name": self.name, "state": self._state(), "mailbox": len(self._mailbox)}

    def __repr__(self) -> str:
        state = self._state()
        words = [type(self).__name__, self.name, *self._readout(), None if state == "running" else state]
        return f"<{' '.join(word for word in words if word)}>"

    # What a subclass overrides

    async def handle_call(self, request: Any) -> Any:
        """Answer a call. What it emits has gone out before the answer does, unless it answers early with `reply` (G5)."""
        self._refuse(Unanswered(self, request))

    async def handle_cast(self, request: Any) -> None:
        """Do what a cast asks for."""
        logger.warning("%r has no handle_cast and ignores %r", self, request)

    async def handle_info(self, message: Any) -> None:
        """Take note of an info."""
        logger.warning("%r has no handle_info and ignores %r", self, message)

    async def handle_subscribe(self, sub: SubRef) -> None:
        """Called on both sides of a new subscription, before any demand or event; `sub.consumer is self` on one of them."""

    async def handle_cancel(self, sub: SubRef, reason: Reason) -> None:
        """Called on both sides when a subscription has ended, before anything follows from it (G60, G61)."""

    def on_dropped(self, request: Any) -> None:
        """Called with every cast and info that no callback will see, because the stage ended first."""
        logger.debug("%r ended before it saw %r", self, request)

    def reply(self, answer: Any) -> None:
        """Answer the call that is being handled before its callback returns."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    # Its messages

    async def _request(self, receive: Receive, content: Any, timeout: float | None) -> Any:
        if self._is_own_task():
            raise RuntimeError(f"{self!r} waits for itself: a stage cannot call itself from its own callbacks")
        if self._task is None or self._closed:
            raise StageGone(self, self._ended or NoProc())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._post(receive, answer, content)
        try:
            await asyncio.wait({answer}, timeout=timeout)
            if not answer.done():
                raise TimeoutError(f"{self!r} did not answer within {timeout:g} s")
            return answer.result()
        finally:
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # whoever waited is gone: the answer is not an error that was never looked at

    async def _on_call(self, answer: asyncio.Future[Any], request: Any) -> None:
        self._answer = answer
        try:
            self.reply(await self.handle_call(request))
        except BaseException as error:
            self._refuse(StageGone(self, self._reason_of(error)))
            raise
        finally:
            self._answer = None

    async def _on_cast(self, _: None, request: Any) -> None:
        await self.handle_cast(request)

    async def _on_info(self, _: None, message: Any) -> None:
        await self.handle_info(message)

    def _discard(self, receive: Receive, subject: Any, content: Any, reason: Reason) -> None:
        if isinstance(subject, asyncio.Future):
            if not subject.done():
                subject.set_exception(StageGone(self, reason))
        elif receive in (self._on_cast, self._on_info):
            self._dropped(content)

    def _dropped(self, request: Any) -> None:
        self._guarded(self.on_dropped, request)

    def _refuse(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # How it looks

    def _state(self) -> str:
        if self._ended is not None:
            return "ended"
        if self._stop_reason is not None:
            return "stopping"
        return "new" if self._task is None else "running"

    def _readout(self) -> list[str]:
        return []
