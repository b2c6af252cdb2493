"""A look at where a process stands, from any thread of its parent, whatever either of them does.

The parent sends a signal; the interpreter's handler, which is written in C, writes the stack of every thread into a pipe of its
own, and a handler in Python adds what only Python knows, and an end mark. Where Python code cannot run any more, the first part
comes alone. What the process runs goes on as if nothing had been.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["GLIMPSE", "Glimpse", "show"]

GLIMPSE: Final[int] = getattr(signal, "SIGINFO", 0) or signal.SIGRTMIN + 7  # which nobody else is likely to use
LIMIT: Final = 64 * 1024  # bytes; what a pipe holds
SETTLED: Final = 0.3  # seconds without another byte: the end mark will not come
LOOK: Final = 0.01  # seconds between two looks into the pipe
END: Final = b"\0"


class Glimpse:
    """The parent's end. `theirs` is the descriptor for the process, until `begin`."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        for end in (self._ours, self.theirs):
            os.set_blocking(end, False)  # nobody waits for the other: what does not fit is cut
        self._lock = threading.Lock()
        self._open = True

    def begin(self) -> None:
        """Leave the process's descriptor to the process."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def clear(self) -> None:
        """Forget what an earlier look left behind."""
        while self._read():
            pass

    def read(self, within: float) -> str:
        """Return what the process wrote; the empty text where it wrote nothing within that many seconds."""
        seen, began = b"", time.monotonic()
        heard = began
        while not seen.endswith(END) and len(seen) < LIMIT:
            data, now = self._read(), time.monotonic()
            if data:
                seen, heard = seen + data, now
            elif data is None or now - began >= within or (seen and now - heard >= SETTLED):
                break
            else:
                time.sleep(LOOK)
        return seen.removesuffix(END).decode("utf-8", "backslashreplace")

    def close(self) -> None:
        """Let go; a look that is under way ends."""
        self.begin()
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._ours)

    def _read(self) -> bytes | None:
        """Return what is there now; None where nothing will come any more."""
        with self._lock:
            if not self._open:
                return None
            try:
                return os.read(self._ours, LIMIT) or None
            except BlockingIOError:
                return b""


def show(descriptor: int, more: Callable[[], str]) -> None:
    """In the process: write there where every thread stands, whenever the parent looks, and then what `more` says."""

    def finish(*_: object) -> None:
        with suppress(OSError):  # nobody reads, or the pipe is full
            os.write(descriptor, more().encode("utf-8", "backslashreplace")[:LIMIT] + END)

    os.set_inheritable(descriptor, False)
    signal.signal(GLIMPSE, finish)
    faulthandler.register(GLIMPSE, descriptor, chain=True)
