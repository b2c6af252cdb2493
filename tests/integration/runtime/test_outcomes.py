"""A node runs jobs: what came of each run is in the table as the public interface says, row by row."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.support import jobs
from tests.support.stand import Stand, until

BUSY = 10.0  # seconds by which a machine that runs many tests at once may be late


async def test_a_job_runs_and_its_result_is_kept(stand_on_each: Stand) -> None:
    async with stand_on_each.node():
        row = await stand_on_each.end(await stand_on_each.tide.enqueue(jobs.blocking_note, 7))
    assert (row["state"], row["attempt"], row["result"]) == ("completed", 1, {"n": 7})
    assert stand_on_each.traces() == ["7"]


async def test_a_job_that_was_there_before_the_node_runs(stand: Stand) -> None:
    job_id = await stand.tide.enqueue(jobs.note, 1)
    async with stand.node():
        assert (await stand.end(job_id))["state"] == "completed"


async def test_a_failing_job_is_retried_until_it_succeeds(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.fails_until, 1)
        row = await stand.end(job_id)
    assert (row["state"], row["attempt"], row["result"]) == ("completed", 3, 1)
    assert stand.attempts(job_id) == ["failed", "failed", "done"]
    assert stand.traces() == ["1:1", "1:2", "1:3"]


async def test_a_job_that_fails_every_attempt_is_dead_with_all_of_them(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.fails_until, 1, good_from=9)
        row = await stand.end(job_id)
    assert (row["state"], row["reason"], row["attempt"], row["error_type"]) == ("dead", "attempts_exhausted", 3, "ValueError")
    assert row["error_message"] == "not yet: attempt 3"
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["failed"] * 3
    assert all("raise ValueError" in attempt["traceback"] for attempt in row["attempts"])


async def test_the_enqueuer_may_say_how_many_attempts(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.fails_until.call(1).options(max_attempts=1))
        assert (await stand.end(job_id))["attempt"] == 1


@pytest.mark.parametrize("returned", [True, False])
@pytest.mark.parametrize(
    ("word", "state", "attempts", "attempt"),
    [
        ("retry", "completed", ["retried", "done"], 2),
        ("snooze", "completed", ["snoozed", "done"], 1),
        ("cancel", "cancelled", ["cancelled"], 1),
        ("dead", "dead", ["discarded"], 1),
    ],
)
async def test_an_outcome_may_be_returned_or_raised(
    stand: Stand, word: str, state: str, attempts: list[str], attempt: int, returned: bool
) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.says, word, returned=returned)
        row = await stand.end(job_id)
    assert (row["state"], stand.attempts(job_id), row["attempt"]) == (state, attempts, attempt)


async def test_done_and_failed_may_be_returned(stand: Stand) -> None:
    async with stand.node():
        good, bad = await stand.tide.enqueue(jobs.says, "done"), await stand.tide.enqueue(jobs.says, "failed")
        assert (await stand.end(good))["result"] == "as an outcome"
        await stand.end(bad)
    assert stand.attempts(bad) == ["failed", "done"]


@pytest.mark.parametrize(
    ("what", "state", "attempts"),
    [
        ("key", "dead", ["discarded"]),
        ("timeout", "completed", ["snoozed", "done"]),
        ("os", "completed", ["failed", "done"]),
        ("exit", "completed", ["failed", "done"]),
    ],
)
async def test_what_an_exception_means_can_be_said_by_its_type(stand: Stand, what: str, state: str, attempts: list[str]) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.raises, what)
        assert (await stand.end(job_id))["state"] == state
    assert stand.attempts(job_id) == attempts


async def test_a_handler_over_its_time_out_is_ended_and_retried(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.hangs)
        row = await stand.end(job_id)
    assert (row["reason"], row["error_message"]) == ("attempts_exhausted", "ran longer than its time-out of 0.1 s")
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["timed_out"] * 2


async def test_a_blocking_handler_over_its_time_out_is_abandoned_and_its_consumer_goes_on(stand: Stand) -> None:
    async with stand.node() as node:
        row = await stand.end(await stand.tide.enqueue(jobs.hangs_in_a_thread))
        assert [attempt["outcome"] for attempt in row["attempts"]] == ["timed_out"]
        assert (await stand.end(await stand.tide.enqueue(jobs.blocking_note, 1)))["state"] == "completed"
        assert node.supervisor.managers["email"].size().alive == 10


async def test_a_result_that_cannot_be_stored_fails_the_attempt(stand: Stand) -> None:
    async with stand.node():
        row = await stand.end(await stand.tide.enqueue(jobs.unstorable.call().options(max_attempts=1)))
    assert row["reason"] == "attempts_exhausted"
    assert "result" in row["error_message"]


async def test_arguments_that_do_not_decode_are_invalid_and_cost_no_further_attempt(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue("tests.support.jobs:note", check=False, n="not a number")
        row = await stand.end(job_id)
    assert (row["state"], row["reason"], row["attempt"]) == ("dead", "invalid", 1)
    assert stand.traces() == []


async def test_typed_arguments_arrive_as_what_they_were(stand: Stand) -> None:
    async with stand.node():
        call = jobs.typed.call(date(2026, 1, 2), jobs.Money(Decimal("1.10"), "EUR"), {"a", "b"}, b"\x00\xff")
        assert (await stand.end(await stand.tide.enqueue(call)))["result"] == "date Money set bytes 2.10"


async def test_any_function_of_an_allowed_module_is_a_job_by_its_name(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue("tests.support.jobs:plain", 21)
        row = await stand.end(job_id)
    assert (row["state"], row["result"]) == ("completed", 42)


async def test_async_handlers_run_on_the_loop_of_their_thread(stand: Stand) -> None:
    async with stand.node():
        assert (await stand.end(await stand.tide.enqueue(jobs.async_in_a_thread, 3)))["result"] == 3


async def test_a_batch_takes_what_was_delivered_in_one_call(stand: Stand) -> None:
    ids = await stand.tide.enqueue_many([jobs.batched.call(amount=Decimal(n), currency="EUR") for n in range(25)])
    async with stand.node():
        for job_id in ids:
            assert (await stand.end(job_id))["state"] == "completed"
    sizes = [int(line.split()[1]) for line in stand.traces()]
    assert sum(sizes) == 25
    assert max(sizes) == 10


async def test_a_mapping_decides_job_by_job_and_a_missing_one_failed(stand: Stand) -> None:
    ids = await stand.tide.enqueue_many([jobs.judged.call(n=n) for n in (1, 2, 5)])
    async with stand.node():
        rows = [await stand.end(job_id) for job_id in ids]
    assert [row["state"] for row in rows] == ["completed", "cancelled", "dead"]
    assert rows[0]["result"] == 1
    assert "no outcome" in rows[2]["error_message"]


async def test_an_exception_fails_the_whole_batch(stand: Stand) -> None:
    ids = await stand.tide.enqueue_many([jobs.batch_fails.call(n=n) for n in range(3)])
    async with stand.node():
        rows = [await stand.end(job_id) for job_id in ids]
    assert {row["state"] for row in rows} == {"dead"}


async def test_a_delayed_job_runs_when_it_is_due_and_not_before(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.note.call(1).options(delay=0.6))
        await stand.end(job_id)
    [row] = stand.rows("SELECT extract(epoch FROM started_at - enqueued_at)::float8 AS waited FROM tidegate.history")
    assert 0.6 <= row["waited"] < 1.6 + BUSY


async def test_more_urgent_jobs_run_first(stand: Stand) -> None:
    await stand.tide.enqueue_many([jobs.note.call(n).options(priority=n % 3) for n in range(30)])
    async with stand.node(seed=1) as node:
        await until(lambda: len(stand.traces()) == 30)
        assert node.supervisor.broken == ()
    started = [row["priority"] for row in stand.rows("SELECT priority FROM tidegate.history ORDER BY started_at, id")]
    assert started[:5] == [0] * 5
    assert started[-5:] == [2] * 5


async def test_a_paused_queue_waits_and_goes_on_when_resumed(stand: Stand) -> None:
    from tidegate.store.postgres import PostgresStore

    store = PostgresStore(stand.database, stand.tide.engine)
    await store.pause("email", paused=True)
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.note, 1)
        other = await stand.tide.enqueue(jobs.async_in_a_thread, 3)
        await stand.end(other)
        assert stand.finished(job_id) is None
        await store.pause("email", paused=False)
        await stand.end(job_id)
