"""A stage's inbox: messages in, one at a time out, and the sleep between them.

A message is a tuple: which of the stage's methods, about what, with what. Posting one is an append and, if the stage sleeps, a
wake-up; nothing is copied and no task is made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

__all__ = ["Mailbox", "Message", "Receive"]

Receive: TypeAlias = Callable[[Any, Any], Awaitable[None]]
Message: TypeAlias = tuple[Receive, Any, Any]

TURN: Final = 100  # messages before a stage that never waits lets others run: about a millisecond (benchmarks/stages.py)


class Mailbox:
    """Messages are received in the order in which they were posted, each one to its end before the next."""

    __slots__ = ("_closed", "_messages", "_sleep")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._sleep: asyncio.Future[None] | None = None
        self._closed = False

    def post(self, receive: Receive, subject: Any = None, content: Any = None) -> None:
        """Have `receive(subject, content)` called in its turn; do nothing once the mailbox is closed."""
        if not self._closed:
            self._messages.append((receive, subject, content))
            self.wake()

    def wake(self) -> None:
        """Let `serve` look again."""
        sleep = self._sleep
        if sleep is not None and not sleep.done():
            sleep.set_result(None)

    async def serve(self, stopped: Callable[[], bool]) -> None:
        """Receive messages until `stopped()` is true after one of them, or after a wake-up."""
        messages, turn = self._messages, 0
        while not stopped():
            if not messages:
                turn = 0
                self._sleep = asyncio.get_running_loop().create_future()
                await self._sleep
                continue
            receive, subject, content = messages.popleft()
            await receive(subject, content)
            turn += 1
            if turn == TURN:
                turn = 0
                await asyncio.sleep(0)

    def remove(self, receive: Receive) -> list[tuple[Any, Any]]:
        """Take out the messages for `receive`; return the subject and content of each."""
        removed = [(subject, content) for to, subject, content in self._messages if to == receive]
        kept = [message for message in self._messages if message[0] != receive]
        self._messages.clear()
        self._messages.extend(kept)
        return removed

    def close(self) -> list[Message]:
        """Accept nothing more; return what was not received."""
        self._closed = True
        rest = list(self._messages)
        self._messages.clear()
        return rest

    def __len__(self) -> int:
        return len(self._messages)
