"""Ctrl-C and SIGTERM: the first asks for an end, the second does not wait for it.

The handlers are Python's own, not the loop's, so that a second signal ends the process even while a handler blocks the loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["Signals"]

CAUGHT: Final = (signal.SIGINT, signal.SIGTERM)
GRACE: Final = 2.0  # seconds for what is cancelled to let go of its files and connections


class Signals:
    """From `listen` on, the first signal sets `stop`; the second calls `kill`, and ends the process with 128 + its number.

    `first` and `second` are what each of them says, at once.
    """

    def __init__(self, *, kill: Callable[[], None], first: str, second: str) -> None:
        self.stop = asyncio.Event()
        self.exit_code: int | None = None
        """What the process is to end with, once a second signal came."""
        self._kill = kill
        self._first = first
        self._second = second
        self._seen = False
        self._before: dict[int, Any] = {}
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(self) -> None:
        """Catch them from now on; before that they end the process as they do any other."""
        for number in CAUGHT:
            self._before[number] = signal.signal(number, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self._seen:
            self._seen = True
            _write(self._first)
            self._loop.call_soon_threadsafe(self.stop.set)
        elif self.exit_code is None:
            self.exit_code = 128 + number
            _write(self._second)
            timer = threading.Timer(GRACE, os._exit, (self.exit_code,))
            timer.daemon = True
            timer.start()
            self._loop.call_soon_threadsafe(self._kill)


def _write(words: str) -> None:
    """Say something from within a signal handler, which may have interrupted a print."""
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{words}\n".encode())
