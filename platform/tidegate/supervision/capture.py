"""What a process writes, kept in bounds by its parent: the last of its output, of its stderr alone, and of its last words.

Both streams are pipes at the level of file descriptors, so that C code, and whatever the process starts, is heard as well. The
third pipe is for the interpreter's own last words (faulthandler), which would otherwise stand among the output.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

__all__ = ["LIMIT", "Capture", "Captured", "Tail"]

LIMIT: Final = 64 * 1024  # bytes of each that are kept, the oldest dropped; of the output, where nobody says another
_CHUNK: Final = 64 * 1024  # what a pipe holds
_ROUNDS: Final = 64  # of reading at once: a process that writes without end must not hold up its parent


class Tail:
    """The last `limit` bytes of what was added, and how many were dropped before them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.dropped = 0
        self._limit = limit
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Keep `data`, dropping the oldest."""
        self._data += data
        surplus = len(self._data) - self._limit
        if surplus > self._limit:  # now and then, not at each addition: cutting the front moves the rest
            del self._data[:surplus]
            self.dropped += surplus

    def text(self) -> str:
        """Return what is kept, what was dropped being told in a first line; bytes that are not UTF-8 are shown as such."""
        surplus = max(len(self._data) - self._limit, 0)
        dropped = self.dropped + surplus
        text = bytes(self._data[surplus:]).decode("utf-8", "backslashreplace")
        return f"[... {dropped} bytes dropped ...]\n{text}" if dropped else text

    def clear(self) -> None:
        """Forget everything."""
        if self._data:
            self._data.clear()
        self.dropped = 0


@dataclass(frozen=True, slots=True)
class Captured:
    """What was written since the last time that this was asked."""

    output: str
    """stdout and stderr as they came."""
    stderr: str
    words: str
    """What faulthandler wrote."""


class Capture:
    """The parent's ends of the three pipes. `stdout`, `stderr` and `words` are the child's, until `begin` closes them here.

    With `echo` both streams are written to the parent's own as well, as they come. Of the output, the last `limit` bytes are kept.
    """

    def __init__(self, *, echo: bool = False, limit: int = LIMIT) -> None:
        self._output, self._errors, self._words = Tail(limit), Tail(), Tail()
        self._ends: dict[int, tuple[Callable[[bytes], None], ...]] = {}
        self.stdout = self._pipe(self._output.add, *([partial(_echo, "stdout")] if echo else []))
        self.stderr = self._pipe(self._output.add, self._errors.add, *([partial(_echo, "stderr")] if echo else []))
        self.words = self._pipe(self._words.add)
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Read from here on; the process has its ends now."""
        self._close_childs()
        self._loop = asyncio.get_running_loop()
        for end in self._ends:
            self._loop.add_reader(end, self._read, end)

    def clear(self) -> None:
        """Forget what was written so far."""
        for tail in (self._output, self._errors, self._words):
            tail.clear()

    def take(self) -> Captured:
        """Return what was written up to now, what still lies in the pipes included, and forget it."""
        self._drain()
        captured = Captured(self._output.text(), self._errors.text(), self._words.text())
        self.clear()
        return captured

    def end(self) -> None:
        """Read what still lies in the pipes, and let them go; what was read can still be taken."""
        self._close_childs()
        self._drain()
        for end in tuple(self._ends):
            self._drop(end)

    def _drain(self) -> None:
        for end in tuple(self._ends):
            for _ in range(_ROUNDS):
                if not self._read(end):
                    break

    def _pipe(self, *takers: Callable[[bytes], None]) -> int:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        self._ends[ours] = takers
        return theirs

    def _read(self, end: int) -> bool:
        """Read once; tell whether there may be more."""
        try:
            data = os.read(end, _CHUNK)
        except BlockingIOError:
            return False
        for take in self._ends[end]:
            take(data)
        if not data:
            self._drop(end)
        return bool(data)

    def _drop(self, end: int) -> None:
        del self._ends[end]
        if self._loop is not None:
            self._loop.remove_reader(end)
        os.close(end)

    def _close_childs(self) -> None:
        for end in self._childs():
            os.close(end)

    def _childs(self) -> Iterator[int]:
        for name in ("stdout", "stderr", "words"):
            end = getattr(self, name)
            setattr(self, name, -1)
            if end >= 0:
                yield end


def _echo(stream: str, data: bytes) -> None:
    """Write what a process wrote to the stream of this one; what nobody can take is not worth an error."""
    with suppress(OSError, ValueError, AttributeError):
        target = getattr(sys, stream)
        target.flush()
        target.buffer.write(data)
        target.buffer.flush()
