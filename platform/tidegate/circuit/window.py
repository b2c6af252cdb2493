"""The outcomes that a circuit looks at: the last so many, or those of the last so many seconds.

Both count the same three things and can be written down as JSON, small whatever went through them: a circuit's row carries its
window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Protocol

from tidegate.circuit.config import CircuitConfig

__all__ = ["CountWindow", "TimeWindow", "Window", "make_window", "recall_window"]

BUCKETS: Final = 12
_LETTERS: Final = {(False, False): "S", (True, False): "F", (False, True): "s", (True, True): "f"}
"""(failed, slow) -> how one outcome is written down."""
_OUTCOMES: Final = {letter: outcome for outcome, letter in _LETTERS.items()}


class Window(Protocol):
    """Counts of the outcomes in view."""

    @property
    def calls(self) -> int:
        """How many outcomes are in view."""

    @property
    def failed(self) -> int:
        """How many of them failed."""

    @property
    def slow(self) -> int:
        """How many of them were slow."""

    def look(self, now: float) -> None:
        """Let go of what is out of view at `now`."""

    def add(self, now: float, *, failed: bool, slow: bool, times: int = 1) -> None:
        """Take note of an outcome, or of `times` equal ones."""

    def written(self) -> Any:
        """Return the window as JSON."""

    def recall(self, written: Mapping[str, Any]) -> None:
        """Take up what a window of the same kind and size wrote down."""


def make_window(config: CircuitConfig) -> Window:
    """Return an empty window of the kind that `config` asks for."""
    return CountWindow(int(config.window_size)) if config.window == "count" else TimeWindow(config.window_size)


def recall_window(config: CircuitConfig, written: Any) -> Window:
    """Return the window that was written down; an empty one where that was of another kind or size, or cannot be read."""
    window = make_window(config)
    if isinstance(written, dict) and written.get("of") == _of(config):
        window.recall(written)
    return window


def _of(config: CircuitConfig) -> str:
    return f"{config.window} {config.window_size:g}"


class CountWindow:
    """The last `size` outcomes."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._seen: deque[tuple[bool, bool]] = deque()
        self._failed = 0
        self._slow = 0

    @property
    def calls(self) -> int:
        """See `Window.calls`."""
        return len(self._seen)

    @property
    def failed(self) -> int:
        """See `Window.failed`."""
        return self._failed

    @property
    def slow(self) -> int:
        """See `Window.slow`."""
        return self._slow

    def look(self, now: float) -> None:
        """Do nothing: only newer outcomes push old ones out."""

    def add(self, now: float, *, failed: bool, slow: bool, times: int = 1) -> None:  # noqa: ARG002 - the promised shape
        """See `Window.add`."""
        for _ in range(min(times, self._size)):
            if len(self._seen) == self._size:
                was_failed, was_slow = self._seen.popleft()
                self._failed -= was_failed
                self._slow -= was_slow
            self._seen.append((failed, slow))
            self._failed += failed
            self._slow += slow

    def written(self) -> Any:
        """See `Window.written`: one letter an outcome, the oldest first."""
        return {"of": f"count {self._size}", "seen": "".join(_LETTERS[outcome] for outcome in self._seen)}

    def recall(self, written: Mapping[str, Any]) -> None:
        """See `Window.recall`."""
        for letter in str(written.get("seen", "")):
            failed, slow = _OUTCOMES.get(letter, (False, False))
            self.add(0.0, failed=failed, slow=slow)


class TimeWindow:
    """The outcomes of the last `size` seconds, to a twelfth of that.

    The twelfths lie on the clock, so that all who look agree which is which: an outcome is in view for at least eleven of them and
    never for longer than `size`.
    """

    def __init__(self, size: float) -> None:
        self._size = size
        self._newest: int | None = None
        self._buckets: deque[list[int]] = deque([0, 0, 0] for _ in range(BUCKETS))  # calls, failed, slow; the newest last
        self._sums = [0, 0, 0]

    @property
    def calls(self) -> int:
        """See `Window.calls`."""
        return self._sums[0]

    @property
    def failed(self) -> int:
        """See `Window.failed`."""
        return self._sums[1]

    @property
    def slow(self) -> int:
        """See `Window.slow`."""
        return self._sums[2]

    def look(self, now: float) -> None:
        """See `Window.look`. A clock that stepped back counts as standing still."""
        at = math.floor(now * BUCKETS / self._size)
        steps = BUCKETS if self._newest is None else min(max(at - self._newest, 0), BUCKETS)
        for _ in range(steps):
            gone = self._buckets.popleft()
            self._sums = [total - part for total, part in zip(self._sums, gone, strict=True)]
            self._buckets.append([0, 0, 0])
        self._newest = at if self._newest is None else max(at, self._newest)

    def add(self, now: float, *, failed: bool, slow: bool, times: int = 1) -> None:
        """See `Window.add`."""
        self.look(now)
        for counts in (self._buckets[-1], self._sums):
            counts[0] += times
            counts[1] += times * failed
            counts[2] += times * slow

    def written(self) -> Any:
        """See `Window.written`: the twelfths, the oldest first."""
        return {"of": f"time {self._size:g}", "newest": self._newest, "buckets": [list(bucket) for bucket in self._buckets]}

    def recall(self, written: Mapping[str, Any]) -> None:
        """See `Window.recall`."""
        buckets = written.get("buckets")
        if written.get("newest") is None or not isinstance(buckets, list) or len(buckets) != BUCKETS:
            return
        self._newest = int(written["newest"])
        self._buckets = deque([int(count) for count in bucket] for bucket in buckets)
        self._sums = [sum(counts) for counts in zip(*self._buckets, strict=True)]
