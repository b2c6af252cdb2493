"""What a handler learns about its own run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.errors import Refused
from tidegate.handlers import JobContext
from tidegate.jobs import Job

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = Job(
    id=7, queue="email", kind="shop:send", args=b"{}", attempt=2, max_attempts=3, priority=0, lease=1, seq=1, enqueued_at=NOW,
    run_at=NOW, waited=0.5,
)  # fmt: skip


def test_it_knows_its_job_and_attempt():
    context = JobContext(JOB, cancelled=lambda: False)
    assert (context.job, context.attempt) == (JOB, 2)


def test_cancelled_is_asked_anew_each_time():
    asked = iter([False, True])
    context = JobContext(JOB, cancelled=lambda: next(asked))
    assert [context.cancelled, context.cancelled] == [False, True]


def test_the_connection_is_the_providers():
    connection = object()
    assert JobContext(JOB, connection=lambda: connection, cancelled=lambda: False).connection is connection


def test_without_a_provider_the_connection_is_refused_with_the_way_out():
    with pytest.raises(Refused, match=r"this run has no ctx\.connection") as caught:
        _ = JobContext(JOB, cancelled=lambda: False).connection
    assert "JobContext(job, connection=...)" in caught.value.hint


def test_its_repr_is_the_state_of_the_run():
    assert repr(JobContext(JOB, cancelled=lambda: False)) == "<JobContext job=7 kind=shop:send attempt=2>"
    assert repr(JobContext(JOB, cancelled=lambda: True)) == "<JobContext job=7 kind=shop:send attempt=2 cancelled>"
