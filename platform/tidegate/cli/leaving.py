"""The end of a process in which jobs have left something behind.

A coroutine that swallows every cancellation keeps its loop from being closed, and so does a thread that a job has borrowed from the
loop or started by itself and that does not return: the process of a node that has long stopped would stay for ever.
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
LEFT_BEHIND: Final = "what a job left behind does not end; this process ends without it"


@contextmanager
def bounded_end(within: float = LEAVE_WITHIN, *, end: Callable[[int], None] = os._exit) -> Iterator[Callable[[int], None]]:
    """Yield what is to be called with the exit code when all is done: a block that goes on `within` seconds later ends by `end`.

    It goes on while threads run that were started in it, other than daemons: the interpreter would wait for them, too.
    """
    before, over = set(threading.enumerate()), threading.Event()
    watching: list[threading.Thread] = []

    def watch(code: int) -> None:
        if not over.wait(within):
            say(LEFT_BEHIND)
            write_last_words()
            end(code)

    def done(code: int) -> None:
        watching.append(threading.Thread(target=watch, args=(code,), name="tidegate-leaving", daemon=True))
        watching[-1].start()

    try:
        yield done
    finally:
        for thread in set(threading.enumerate()) - before if watching else ():
            if not thread.daemon:
                thread.join()
        over.set()


def write_last_words() -> None:
    """Write what can be written within a moment, before an end that waits for nobody."""
    flushing = threading.Thread(target=logging.shutdown, name="last words", daemon=True)
    flushing.start()
    flushing.join(FLUSH_WITHIN)
