"""What a supervisor is told and asked, handled one message after the other or each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

from tidegate.errors import TidegateError
from tidegate.supervision.errors import NotRunning
from tidegate.supervision.tasks import spawn

__all__ = ["Inbox"]

T = TypeVar("T")
Message: TypeAlias = Callable[[], Awaitable[None]]


class Inbox:
    """Messages in the order of their arrival. `apart`: each is handled in a task of its own, begun in that order."""

    def __init__(self, owner: str, *, apart: bool) -> None:
        self._owner = owner
        self._apart = apart
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._handling: dict[asyncio.Task[None], None] = {}
        self._callers: dict[asyncio.Future[Any], None] = {}
        self._bug: BaseException | None = None
        self._closed = False

    def post(self, message: Message) -> None:
        """Have `message` handled when it is its turn."""
        self._messages.put_nowait(message)

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Have `request` handled when it is its turn, and return or raise what it does; a caller who leaves does not undo it."""
        if self._closed:
            raise NotRunning(self._owner)
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._callers[reply] = None
        reply.add_done_callback(self._callers.pop)
        self.post(partial(_answer, reply, request))
        return await reply

    async def serve(self) -> None:
        """Handle messages until the inbox is closed; an error of a handler ends it at once."""
        while not self._closed and self._bug is None:
            message = await self._messages.get()
            if message is None:
                continue
            if self._apart:
                self._handle_apart(message)
            else:
                await message()
        if self._bug is not None:
            raise self._bug

    def close(self) -> None:
        """Begin no further message."""
        self._closed = True
        self._messages.put_nowait(None)

    def dismiss(self) -> None:
        """Answer everybody who still waits that nobody is here any more."""
        self.close()
        for reply in [reply for reply in self._callers if not reply.done()]:
            reply.set_exception(NotRunning(self._owner))

    def interrupt(self) -> None:
        """Close, and break off what is being handled apart."""
        self.close()
        for task in self._handling:
            task.cancel()

    def _handle_apart(self, message: Message) -> None:
        task = spawn(_handle(message), name=f"{self._owner} at work")
        self._handling[task] = None
        task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[None]) -> None:
        del self._handling[task]
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bug = bug
            self._messages.put_nowait(None)


async def _handle(message: Message) -> None:
    await message()


async def _answer(reply: asyncio.Future[T], request: Callable[[], Awaitable[T]]) -> None:
    if reply.done():  # the caller left before it was their turn
        return
    try:
        result = await request()
    except TidegateError as error:
        if not reply.done():
            reply.set_exception(error)
    else:
        if not reply.done():
            reply.set_result(result)
