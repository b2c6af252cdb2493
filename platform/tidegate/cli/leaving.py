"""The end of a process in which jobs have left something behind.

A coroutine that swallows every cancellation keeps its loop from being closed, and so does a thread that a job has borrowed from the
loop and that does not return: the process of a node that has long stopped would stay for ever.
It ends all the same, a moment later.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tidegate.cli.output import say

__all__ = ["bounded_end", "write_last_words"]

LEAVE_WITHIN: Final = 5.0  # seconds; the default of kill_after, which whoever runs on was given before
FLUSH_WITHIN: Final = 2.0  # seconds; whoever is left behind may hold the lock of a log handler
LEFT_BEHIND: Final = "what a job left behind does not end (the log names it); this process ends without it"


@contextmanager
def bounded_end(within: float = LEAVE_WITHIN, *, end: Callable[[int], None] = os._exit) -> Iterator[Callable[[int], None]]:
    """Yield what is to be called with the exit code when all is done: a block that goes on `within` seconds later ends by `end`."""
    over = threading.Event()

    def watch(code: int) -> None:
        if not over.wait(within):
            say(LEFT_BEHIND)
            write_last_words()
            end(code)

    def done(code: int) -> None:
        threading.Thread(target=watch, args=(code,), name="tidegate-leaving", daemon=True).start()

    try:
        yield done
    finally:
        over.set()


def write_last_words() -> None:
    """Write what can be written within a moment, before an end that waits for nobody."""
    flushing = threading.Thread(target=logging.shutdown, name="last words", daemon=True)
    flushing.start()
    flushing.join(FLUSH_WITHIN)
