"""A listener with a thread of its own, so that whatever it does is no business of the one who tells it.

Whoever tells it something adds it to a queue and goes on: it may block, be slow, or raise, and costs a line in the log. The queue
is bounded: what comes in while it is full is not told to it; the log says so once, and when it has caught up, how much that was.
Its thread is a daemon, so that a listener that never returns does not keep a program from ending.
"""

from __future__ import annotations

import inspect
import logging
import queue
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from tidegate.errors import UsageError
from tidegate.plurals import noun

__all__ = ["BACKLOG", "Listener"]

T = TypeVar("T")

logger = logging.getLogger("tidegate.events")

BACKLOG: Final = 100_000  # what waits at most: some seconds of a busy node's events, 20 MB
QUIET: Final = 60.0  # seconds for which a listener that keeps raising is not heard of again


class Listener(Generic[T]):
    """Calls `handler` in a thread of its own with everything that it is called with, in that order."""

    def __init__(self, handler: Callable[[T], object], *, backlog: int = BACKLOG) -> None:
        if inspect.iscoroutinefunction(handler) or not callable(handler):
            raise UsageError(
                f"a handler of events is a plain function, got {handler!r}",
                hint="let it hand events to your loop: loop.call_soon_threadsafe(queue.put_nowait, event)",
            )
        self.dropped = 0
        """What it was not told, because too much was waiting."""
        self._handler = handler
        self._backlog = backlog
        self._waiting: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._behind = 0
        self._errors = 0
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._work, name=f"tidegate-events-{_name(handler)}", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Listener {_name(self._handler)} waiting={self._waiting.qsize()} dropped={self.dropped}>"

    def __call__(self, told: T) -> None:
        """Tell it, unless too much waits already. Never blocks, never raises."""
        if self._waiting.qsize() < self._backlog:
            self._waiting.put(told)
            return
        self.dropped += 1
        self._behind += 1
        if self._behind == 1:
            logger.warning(
                "the event handler %s is %d events behind; it misses what comes now", _name(self._handler), self._backlog
            )

    def end(self) -> None:
        """Tell it nothing more; what waits already is still told."""
        self._waiting.put(None)

    def join(self, within: float) -> bool:
        """Wait up to `within` seconds until an ended listener has been told everything; return whether it has."""
        if self._thread is not threading.current_thread():
            self._thread.join(within)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (told := self._waiting.get()) is not None:
            try:
                self._handler(told)
            except Exception as error:  # noqa: BLE001 - a user's handler may raise anything; `_raised` logs it
                self._raised(told, error)
            if self._behind and self._waiting.empty():
                behind, self._behind = self._behind, 0
                logger.warning("the event handler %s has caught up; it missed %s", _name(self._handler), noun(behind, "event"))

    def _raised(self, told: T, error: Exception) -> None:
        self._errors += 1
        if monotonic() < self._quiet_until:
            return
        self._quiet_until = monotonic() + QUIET
        before, self._errors = self._errors - 1, 0
        more = f" (and on {before} more)" if before else ""
        logger.error("the event handler %s raised on %r%s", _name(self._handler), told, more, exc_info=error)


def _name(handler: Any) -> str:
    return getattr(handler, "__qualname__", type(handler).__qualname__)
