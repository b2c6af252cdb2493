"""`tidegate jobs cancel` of a job that runs, on the loop and in threads; tests/integration/executors has it in processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.stand import Stand, stand_on, until
from tidegate.store.connection import connect


@pytest.fixture
async def stand(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_on(database, tmp_path, kill_after=0.5) as stand:
        yield stand


async def cancel(stand: Stand, *ids: int) -> None:
    """Cancel as somebody would who knows no node: through the database alone."""
    from tidegate.introspection import Operator

    def do() -> None:
        with connect(stand.database) as connection:
            Operator(connection).cancel(ids)

    await asyncio.to_thread(do)


async def started(stand: Stand, subject: object, *args: object) -> int:
    job_id = await stand.tide.enqueue(subject, *args)  # type: ignore[arg-type]
    await until(lambda: "started" in stand.traces(), what="the handler to run")
    return job_id


async def test_a_running_coroutine_is_cancelled_and_its_job_never_tried_again(stand: Stand) -> None:
    async with stand.node():
        job_id = await started(stand, jobs.waits_until_cancelled, "plain")
        await cancel(stand, job_id)
        row = await stand.end(job_id)
    assert (row["state"], row["attempt"], row["error_type"]) == ("cancelled", 1, "Cancelled")
    assert stand.attempts(job_id) == ["cancelled"]
    assert stand.traces() == ["started", "cancelled True"]


@pytest.mark.parametrize("how", ["raises", "returns", "retry"])
async def test_whatever_a_cancelled_handler_makes_of_it_it_is_cancelled(stand: Stand, how: str) -> None:
    async with stand.node():
        job_id = await started(stand, jobs.waits_until_cancelled, how)
        await cancel(stand, job_id)
        row = await stand.end(job_id)
    assert (row["state"], stand.attempts(job_id)) == ("cancelled", ["cancelled"])


async def test_unless_it_says_that_it_is_done(stand: Stand) -> None:
    async with stand.node():
        job_id = await started(stand, jobs.waits_until_cancelled, "done")
        await cancel(stand, job_id)
        row = await stand.end(job_id)
    assert (row["state"], row["result"]) == ("completed", "finished all the same")


async def test_a_coroutine_that_does_not_heed_its_cancellation_is_left_behind(stand: Stand) -> None:
    async with stand.node() as node:
        job_id = await started(stand, jobs.waits_until_cancelled, "stubborn")
        await cancel(stand, job_id)
        assert (await stand.end(job_id))["state"] == "cancelled"
        assert node.supervisor.runs.abandoned("email") == 1
        await until(lambda: node.supervisor.managers["email"].size().busy == 0, what="its consumer to be free")
        (stand.folder / "trace.go").touch()
        await until(lambda: node.supervisor.runs.abandoned("email") == 0)
    assert stand.traces() == ["started", "cancelled True", "ended after all"]


async def test_a_function_in_a_thread_that_looks_is_cancelled(stand: Stand) -> None:
    async with stand.node():
        job_id = await started(stand, jobs.looks_until_cancelled, "looks")
        await cancel(stand, job_id)
        assert (await stand.end(job_id))["state"] == "cancelled"
    assert stand.attempts(job_id) == ["cancelled"]
    assert stand.traces() == ["started", "saw it"]


async def test_a_function_in_a_thread_that_never_looks_is_done_when_it_returns(stand: Stand) -> None:
    async with stand.node() as node:
        job_id = await started(stand, jobs.looks_until_cancelled, "never")
        await cancel(stand, job_id)
        await until(lambda: [run for run in node.supervisor.runs.under_way() if run.asked], what="the cancellation to arrive")
        (stand.folder / "trace.go").touch()
        row = await stand.end(job_id)
    assert (row["state"], row["result"]) == ("completed", "returned")


async def test_a_coroutine_on_a_threads_loop_is_cancelled(stand: Stand) -> None:
    async with stand.node():
        job_id = await started(stand, jobs.sleeps_on_its_own_loop)
        await cancel(stand, job_id)
        assert (await stand.end(job_id))["state"] == "cancelled"


async def test_a_cancellation_arrives_where_nothing_is_told(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.runtime import ports
    from tidegate.store.listener import NotTold

    async def deaf(database: str) -> None:
        raise NotTold("a pooler is in between")

    monkeypatch.setattr(ports, "subscribe", deaf)
    async with stand.node():
        job_id = await started(stand, jobs.waits_until_cancelled, "plain")
        await cancel(stand, job_id)
        assert (await stand.end(job_id))["state"] == "cancelled"


async def test_a_job_that_was_claimed_and_has_not_begun_never_does(database: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACE_FILE", str(tmp_path / "trace"))
        async with stand_on(database, tmp_path, consumers=1, demand=5) as stand, stand.node():
            first, second = await stand.tide.enqueue_many([jobs.waits_until_cancelled.call("plain"), jobs.note.call(2)])
            await until(lambda: len(stand.rows("SELECT 1 FROM tidegate.jobs WHERE state = 'running'")) == 2)
            await cancel(stand, second)
            await asyncio.sleep(0.2)
            await cancel(stand, first)
            assert (await stand.end(second))["state"] == "cancelled"
            assert (await stand.end(first))["state"] == "cancelled"
    assert stand.traces() == ["started", "cancelled True"]
    assert stand.rows("SELECT attempt FROM tidegate.history WHERE id = %s", second) == [{"attempt": 0}]
    assert stand.attempts(second) == ["cancelled"]


async def test_what_a_cancelled_handler_wrote_through_its_connection_is_not_there(stand: Stand) -> None:
    stand.execute("CREATE TABLE effects (n integer, job_id bigint)")
    async with stand.node():
        job_id = await started(stand, jobs.inserts_and_waits)
        await cancel(stand, job_id)
        assert (await stand.end(job_id))["state"] == "cancelled"
    assert stand.rows("SELECT * FROM effects") == []


async def test_a_batch_goes_on_without_the_job_that_was_cancelled(stand: Stand) -> None:
    ids = await stand.tide.enqueue_many([jobs.waits_in_a_batch.call(n=n) for n in range(3)])
    async with stand.node() as node:
        await until(lambda: stand.traces() == ["started 3"])
        await cancel(stand, ids[1])
        await until(lambda: [run for run in node.supervisor.runs.under_way() if run.unwanted], what="the cancellation to arrive")
        (stand.folder / "trace.go").touch()
        rows = [await stand.end(job_id) for job_id in ids]
    assert {row["state"] for row in rows} == {"completed"}
    assert stand.traces() == ["started 3", "done False"]


async def test_a_batch_ends_when_all_of_its_jobs_are_cancelled(stand: Stand) -> None:
    ids = await stand.tide.enqueue_many([jobs.waits_in_a_batch.call(n=n) for n in range(3)])
    async with stand.node():
        await until(lambda: stand.traces() == ["started 3"])
        await cancel(stand, *ids)
        rows = [await stand.end(job_id) for job_id in ids]
    assert {row["state"] for row in rows} == {"cancelled"}


async def test_the_client_cancels_too(stand: Stand) -> None:
    async with stand.node():
        running = await started(stand, jobs.waits_until_cancelled, "plain")
        waiting = await stand.tide.enqueue(jobs.note.call(1).options(delay=3600))
        assert await stand.tide.cancel(waiting)
        assert await stand.tide.cancel(running)
        assert (await stand.end(waiting))["state"] == "cancelled"
        assert (await stand.end(running))["state"] == "cancelled"
        assert await stand.tide.cancel(waiting), "it is, whoever did it"
        assert not await stand.tide.cancel(99_999)

    def blocking() -> bool:
        with type(stand.tide).connect_sync(stand.database, config=stand.config) as tide:
            return tide.cancel(tide.enqueue(jobs.note.call(1).options(delay=3600)))

    assert await asyncio.to_thread(blocking)
