"""What the code of one run logs and prints, kept until its ack takes it along."""

from __future__ import annotations

from collections import deque
from typing import Final

from tidegate.plurals import noun

__all__ = ["LIMIT", "RunLog", "share"]

LIMIT: Final = 64 * 1024  # characters; what is kept of what a process writes, too
_MARK: Final = 64  # characters that a line which tells of a cut may have on top
_LEAST: Final = 1_024  # characters for each job of a large batch


class RunLog:
    """The last `limit` characters of what a run logged, by lines. Whoever adds to it does so from one thread at a time."""

    __slots__ = ("_begun", "_dropped", "_lines", "_size", "limit")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._lines: deque[str] | None = None  # most jobs log nothing
        self._begun = ""
        self._size = 0
        self._dropped = 0

    def add(self, line: str) -> None:
        """Keep `line` in place of the oldest ones."""
        if self._lines is None:
            self._lines = deque()
        self._lines.append(line := line[: self.limit - 1])
        self._size += len(line) + 1
        while self._size > self.limit and self._lines:
            self._size -= len(self._lines.popleft()) + 1
            self._dropped += 1

    def write(self, text: str) -> None:
        """Keep what is printed, which comes in pieces of lines."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self.add(line)
        self._begun = self._begun[-self.limit :]

    def text(self) -> str:
        """Return what is kept, how many lines were dropped being told in a first one; empty where nothing was logged."""
        if self._lines is None and not self._begun:
            return ""
        lines = [*(self._lines or ()), *([self._begun] if self._begun else ())]
        if self._dropped and self.limit:
            lines.insert(0, f"[... {noun(self._dropped, 'line')} dropped ...]")
        return "".join(f"{line}\n" for line in lines)


def share(output: str, jobs: int, limit: int) -> str | None:
    """Return what each of the jobs of a call keeps of its output: all of it, or the last part of what a whole batch wrote."""
    if not output or not limit:
        return None
    room = max(limit // jobs, min(limit, _LEAST))
    if len(output) <= room + _MARK:
        return output
    whose = f", for it is that of {jobs} jobs" if jobs > 1 else ""
    return f"[... cut{whose} ...]\n{output[-room:]}"
