"""Words for whoever watches a run: one line that moves on a terminal, a line every few seconds anywhere else."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from tidegate.demo.tally import Tally

__all__ = ["Watch", "sentence"]

EVERY: Final = 5.0  # seconds between two lines where nothing can move


def sentence(tally: Tally) -> str:
    """Return where a run stands, in one line."""
    counts = ", ".join(f"{tally.total(what)} {what}" for what in ("enqueued", "done", "retried", "dead"))
    pools = ", ".join(f"{name} {queue.pool[-1][1]}" for name, queue in tally.queues.items() if queue.pool)
    return f"{counts}, {tally.open} open; consumers: {pools or 'none yet'}"


class Watch:
    """Shows a run of `seconds` (0: without end) on `console`, between `with` and its end."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._last = 0.0
        columns = (SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        self._bar = self._progress.add_task("", total=seconds or None) if self._progress is not None else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def at(self, second: float, tally: Tally) -> None:
        """Tell where the run stands at `second`."""
        if self._progress is not None and self._bar is not None:
            self._progress.update(self._bar, completed=second, description=sentence(tally))
        elif second - self._last >= EVERY:
            self._last = second
            self.say(f"{second:.0f} s: {sentence(tally)}")

    def say(self, words: str) -> None:
        """Write a line of its own."""
        self._console.print(words, markup=False, highlight=False, soft_wrap=True)
