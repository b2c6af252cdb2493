"""What jobs print on a node's own loop and in its threads, kept with their attempts beside what they log (observe/logs.py).

Jobs share the streams of one process there, so they are told apart by a context variable (`runs.CURRENT`): what is written on
Python's level, to `sys.stdout` or `sys.stderr`, belongs to the run whose code writes, in its tasks and in `asyncio.to_thread` too.
What goes past Python (C code, child processes, `sys.stdout.buffer`), and threads that a handler starts by itself, are not heard;
of a process of its own everything is (supervision/capture.py). All of it still goes where it went before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from tidegate.runtime.runs import CURRENT

__all__ = ["job_prints_kept"]


@contextmanager
def job_prints_kept() -> Iterator[None]:
    """Keep what jobs print while the block runs; a stream that somebody else has put in the place of one meanwhile stays.

    For programs that own their process, as `keep_job_logs` is.
    """
    streams = [_Heard(name) for name in ("stdout", "stderr") if getattr(sys, name) is not None]
    try:
        yield
    finally:
        for stream in streams:
            stream.put_back()


class _Heard:
    """A stream that is written to as before, and heard."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: TextIO = getattr(sys, name)
        setattr(sys, name, cast("TextIO", self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def write(self, text: str) -> int:
        written = self._stream.write(text)  # first: it refuses what is no text
        if (run := CURRENT.get()) is not None and run.log_limit:
            run.log.write(text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def put_back(self) -> None:
        if getattr(sys, self._name) is self:
            setattr(sys, self._name, self._stream)
