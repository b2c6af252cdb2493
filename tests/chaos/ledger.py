"""What is checked after a fault, and what is measured: all from the tables and the lines that the jobs left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["Ledger", "Run", "back_at", "overlaps", "recovery"]

BUCKET = 0.5  # seconds
STEADY = 4  # buckets over which the rate must be back, so that one good moment does not count


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one job: the numbers of the lines of its start and its end."""

    job: int
    lease: int
    started: int
    ended: int | None


@dataclass(slots=True)
class Ledger:
    """The verdict on one experiment."""

    jobs: int
    unfinished: list[int] = field(default_factory=list)
    without_reason: list[int] = field(default_factory=list)
    acked_twice: list[int] = field(default_factory=list)
    overlapping: list[tuple[int, int, int]] = field(default_factory=list)
    charged_unstarted: list[int] = field(default_factory=list)
    rescued: int = 0

    @classmethod
    def of(cls, database: str, trace: Path, enqueued: Sequence[int]) -> Ledger:
        """Read the tables and the lines."""
        with psycopg.connect(database, autocommit=True) as connection:
            history = [row[0] for row in connection.execute("SELECT id FROM tidegate.history").fetchall()]
            dead = connection.execute("SELECT job_id, reason FROM tidegate.dead_letters").fetchall()
            cut = connection.execute(
                "SELECT job_id, lease, outcome FROM tidegate.attempts WHERE outcome IN ('lease_lost', 'crashed')"
            ).fetchall()
            charges = connection.execute(
                "SELECT job_id, count(*) FROM tidegate.attempts WHERE outcome IN ('failed', 'timed_out', 'crashed') GROUP BY job_id"
            ).fetchall()
        ends = [*history, *(row[0] for row in dead)]
        runs = runs_of(trace)
        return cls(
            jobs=len(enqueued),
            unfinished=sorted(set(enqueued) - set(ends)),
            without_reason=[job for job, reason in dead if not reason],
            acked_twice=sorted({job for job in ends if ends.count(job) > 1}) if len(ends) != len(set(ends)) else [],
            overlapping=overlaps(runs, {(job, lease) for job, lease, _ in cut}),
            charged_unstarted=[job for job, n in charges if n > len(runs.get(job, ()))],
            rescued=sum(outcome == "lease_lost" for _, _, outcome in cut),
        )

    def complaints(self) -> list[str]:
        """Return what does not hold, in words."""
        names = ("unfinished", "without_reason", "acked_twice", "overlapping", "charged_unstarted")
        return [f"{name}: {getattr(self, name)[:5]} ({len(getattr(self, name))})" for name in names if getattr(self, name)]


def runs_of(trace: Path) -> dict[int, list[Run]]:
    """Return the runs by job, in the order of their leases."""
    started: dict[tuple[int, int], int] = {}
    ended: dict[tuple[int, int], int] = {}
    lines = trace.read_text("utf-8").splitlines() if trace.exists() else []
    for number, line in enumerate(lines):
        what, job, lease = line.split()
        (started if what == "start" else ended)[int(job), int(lease)] = number
    runs: dict[int, list[Run]] = defaultdict(list)
    for (job, lease), number in sorted(started.items()):
        runs[job].append(Run(job, lease, number, ended.get((job, lease))))
    return runs


def overlaps(runs: dict[int, list[Run]], lost: set[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return (job, lease, later lease) of runs that overlapped although the first was neither lost with its node nor cut by a crash."""
    found = []
    for job, each in runs.items():
        for first, second in pairwise(each):
            together = first.ended is None or second.started < first.ended
            if together and (job, first.lease) not in lost:
                found.append((job, first.lease, second.lease))
    return found


def recovery(database: str, rate: float, healed: Any) -> float | None:
    """Return the seconds from `healed` (the database's date) to the end of the first half second from which the rate was back."""
    with psycopg.connect(database, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT floor(extract(epoch FROM finished_at - %(healed)s) / %(bucket)s)::integer AS bucket, count(*)"
            " FROM tidegate.history WHERE finished_at >= %(healed)s GROUP BY bucket ORDER BY bucket",
            {"healed": healed, "bucket": BUCKET},
        ).fetchall()
    return back_at(dict(rows), 0.9 * rate)


def back_at(ended: Mapping[int, int], rate: float) -> float | None:
    """Return when `rate` was there again, for two seconds, of the jobs that ended in each half second; None: never."""
    for first in range(max(ended, default=-1) + 1):
        if ended.get(first) and sum(ended.get(first + n, 0) for n in range(STEADY)) >= rate * STEADY * BUCKET:
            return (first + 1) * BUCKET
    return None
