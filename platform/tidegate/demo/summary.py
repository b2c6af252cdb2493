"""What came of a run: facts in, a `Summary` out, as JSON or as text.

Pure, except for `show`, which writes to the console that it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tidegate.demo.findings import Counted, Letters, Models, Opened
from tidegate.demo.tally import Crash, QueueTally
from tidegate.plurals import noun

__all__ = ["QueueSummary", "Summary", "percentile", "show", "sizes", "summarise"]

COLUMNS: Final = 30  # pool sizes over time, in so many steps
_BARS: Final = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """One queue's share of the run. Waits are seconds from due to started; `consumers` is the pool's size over the run."""

    queue: str
    enqueued: int
    done: int
    retried: int
    dead: int
    cancelled: int
    open: int
    wait_p50: float | None
    wait_p95: float | None
    consumers: tuple[int, ...]
    crashes: tuple[Crash, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A run, told. `problems` is empty when everything that was sent came out as it should."""

    seconds: float
    queues: tuple[QueueSummary, ...]
    letters: Letters
    departures: Counted
    models: Models
    problems: tuple[str, ...]
    circuits: tuple[Opened, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was sent came out as it should."""
        return not self.problems

    def total(self, what: str) -> int:
        """Return the sum of one count over all queues."""
        return sum(getattr(queue, what) for queue in self.queues)

    def as_json(self) -> dict[str, Any]:
        """Return the summary as JSON-native values."""
        return {**asdict(self), "ok": self.ok}


def summarise(
    queues: Mapping[str, QueueTally],
    *,
    began: float,
    ended: float,
    letters: Letters,
    departures: Counted,
    models: Models,
    circuits: Iterable[Opened] = (),
    overdue: bool = False,
) -> Summary:
    """Put a run together; `began` and `ended` are on the clock of the tallies.

    Jobs that were not seen to end are a problem where they are `overdue`; else they were left behind on purpose, or run elsewhere.
    """
    told = tuple(_queue(name, tally, began, ended) for name, tally in queues.items())
    missing = tuple(f"{each.queue}: {noun(each.open, 'job')} had not ended" for each in told if each.open and overdue)
    problems = missing + tuple(_problems({queue.queue: queue for queue in told}, letters, departures))
    return Summary(round(ended - began, 3), told, letters, departures, models, problems, tuple(circuits))


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the smallest value that at least `share` (0 to 1) of `values` do not exceed; None where there are none."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)), 1) - 1] if ordered else None


def sizes(changes: Iterable[tuple[float, int]], began: float, ended: float, columns: int = COLUMNS) -> tuple[int, ...]:
    """Return a pool's largest size in each of `columns` equal parts of the run, out of its changes in order of time."""
    steps = list(changes)
    if not steps or ended <= began:
        return ()
    edges = [began + (ended - began) * part / columns for part in range(columns + 1)]
    return tuple(_largest(steps, start, end) for start, end in pairwise(edges))


def show(summary: Summary, console: Console) -> None:
    """Write the summary: as a table to a terminal, as plain lines to anything else."""
    if console.is_terminal:
        console.print(_table(summary))
        for line in [*_results(summary), *_verdict(summary)]:
            console.print(line, markup=False)
    else:
        for line in [*_rows(summary), *_results(summary), *_verdict(summary)]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _queue(name: str, tally: QueueTally, began: float, ended: float) -> QueueSummary:
    return QueueSummary(
        queue=name,
        enqueued=tally.enqueued,
        done=tally.done,
        retried=tally.retried,
        dead=tally.dead,
        cancelled=tally.cancelled,
        open=tally.open,
        wait_p50=_rounded(percentile(tally.waits, 0.50)),
        wait_p95=_rounded(percentile(tally.waits, 0.95)),
        consumers=sizes(tally.pool, began, ended),
        crashes=tuple(tally.crashes),
    )


def _problems(queues: Mapping[str, QueueSummary], letters: Letters, departures: Counted) -> Iterable[str]:
    """Compare what ended as done with what it should have left behind; there may be more, from jobs of others."""
    if (email := queues.get("email")) and letters.arrived < email.done:
        yield f"email: {noun(email.done, 'letter was', 'letters were')} sent, {letters.arrived} arrived"
    if (analytics := queues.get("analytics")) and departures.counted < analytics.done:
        sent = noun(analytics.done, "departure was", "departures were")
        yield f"analytics: {sent} counted, the database knows {departures.counted} of them"
    if departures.aggregated != departures.ledger:
        on_routes = noun(departures.aggregated, "departure")
        yield f"analytics: the routes add up to {on_routes}, {noun(departures.ledger, 'was', 'were')} counted"


def _largest(steps: Sequence[tuple[float, int]], start: float, end: float) -> int:
    """Return the largest size in [start, end): the one in force at its start, or one set within."""
    before = [size for at, size in steps if at <= start][-1:] or [0]
    return max(before + [size for at, size in steps if start < at < end])


def _table(summary: Summary) -> Table:
    table = Table(title=f"the shop, {summary.seconds:.0f} s", title_justify="left")
    table.add_column("queue")
    for column in ("enqueued", "done", "retried", "dead", "wait p50", "p95"):
        table.add_column(column, justify="right")
    table.add_column("consumers over time")
    for queue in summary.queues:
        counts = (queue.enqueued, queue.done, queue.retried, queue.dead)
        table.add_row(queue.queue, *map(str, counts), _wait(queue.wait_p50), _wait(queue.wait_p95), _spark(queue.consumers))
    return table


def _rows(summary: Summary) -> Iterable[str]:
    yield f"{'queue':<12}{'enqueued':>9}{'done':>7}{'retried':>9}{'dead':>6}{'wait p50':>10}{'p95':>9}  consumers over time"
    for queue in summary.queues:
        counts = f"{queue.enqueued:>9}{queue.done:>7}{queue.retried:>9}{queue.dead:>6}"
        waits = f"{_wait(queue.wait_p50):>10}{_wait(queue.wait_p95):>9}"
        yield f"{queue.queue:<12}{counts}{waits}  {''.join(str(min(size, 9)) for size in queue.consumers)}"


def _results(summary: Summary) -> Iterable[str]:
    letters, departures, models = summary.letters, summary.departures, summary.models
    counts = ", ".join(f"{summary.total(what)} {what}" for what in ("done", "retried", "dead"))
    left = f", {summary.total('open')} left or run elsewhere" if summary.total("open") else ""
    yield f"jobs: {summary.total('enqueued')} enqueued, {counts}{left}"
    yield f"letters: {letters.arrived} arrived, kept in {letters.folder}"
    yield f"departures: {departures.counted} of this run counted; {departures.ledger} in all, on {noun(departures.routes, 'route')}"
    best = (
        ""
        if models.best_score is None
        else f"; the best reads {models.best_score:.1%} of unseen digits (depth {models.best_depth})"
    )
    yield f"models: {models.trained} trained{best}"
    for opened in summary.circuits:
        times = "once" if opened.times == 1 else f"{opened.times} times"
        yield f"circuit {opened.circuit}: opened {times}, closed after {opened.seconds:g} s; jobs that waited lost no attempt"
    for queue in summary.queues:
        for crash in queue.crashes:
            then = "it was tried again" if crash.again else "it is dead"
            yield f"crash: {queue.queue}: {crash.kind}, attempt {crash.attempt}: {crash.verdict}; {then}"


def _verdict(summary: Summary) -> Iterable[str]:
    yield from (f"problem: {problem}" for problem in summary.problems)


def _spark(consumers: Sequence[int]) -> str:
    top = max(consumers, default=0)
    bars = "".join(_BARS[(size * (len(_BARS) - 1)) // top] if size else " " for size in consumers)
    spread = f"{top}" if min(consumers, default=0) == top else f"{min(consumers)}-{top}"
    return f"{bars} {spread}" if consumers else ""


def _wait(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
