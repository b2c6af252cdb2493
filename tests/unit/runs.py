"""Runs made by hand, for the tests of what looks at them."""

from __future__ import annotations

from datetime import UTC, datetime

from tidegate.jobs import Job
from tidegate.runtime.runs import Run

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def job(job_id=1, *, queue="email", kind="mail:send", **more):
    given = {"attempt": 1, "max_attempts": None, "priority": 0, "lease": 1, "seq": job_id, **more}
    return Job(job_id, queue, kind, b"{}", enqueued_at=EPOCH, run_at=EPOCH, waited=0.0, **given)


def run(*ids, started=0.0, timeout=60.0, kill_after=5.0):
    return Run([job(job_id) for job_id in ids or (1,)], started, timeout, kill_after)
