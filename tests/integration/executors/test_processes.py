"""Jobs in processes: what they may do there, and that everything comes back as it would from the node itself."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tests.integration.executors.conftest import Shop
from tests.support import bad_jobs as jobs
from tests.support.stand import until
from tidegate.events import Enqueued

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_job_runs_in_a_session_of_its_own_on_the_main_thread_of_a_warm_process(shop: Shop) -> None:
    await until(lambda: len(shop.pids()) == 2)
    warm = shop.pids()
    pid, session, on_main = (await shop.run(jobs.whoami))["result"]
    assert pid in warm
    assert (session, on_main, shop.pids()) == (pid, 1, warm)
    tree = shop.node.supervisor.managers["heavy"].child("processes").tree()
    assert all(0 < float(str(child.detail["imported"])) < 60 for child in tree.children)


async def test_coroutines_run_on_the_loop_of_their_process_and_plain_functions_without_one(shop: Shop) -> None:
    assert ("uvloop" if importlib.util.find_spec("uvloop") else "asyncio") in (await shop.run(jobs.loop_of))["result"]
    assert (await shop.run(jobs.runs_a_loop.call(5)))["result"] == 5
    assert (await shop.run(jobs.good_async.call(6)))["result"] == 6
    assert (await shop.run(jobs.good.call(8)))["result"] == 8


async def test_a_handler_sees_its_job_as_it_would_on_the_node(shop: Shop) -> None:
    row = await shop.run(jobs.sees.call().options(priority=3, meta={"shop": "aä"}))
    [told] = shop.stand.rows("SELECT enqueued_at FROM tidegate.history WHERE id = %s", row["id"])
    assert row["result"] == {
        "id": row["id"], "kind": "tests.support.bad_jobs:sees", "queue": "heavy", "attempt": 1, "lease": 1, "priority": 3,
        "meta": {"shop": "aä"}, "enqueued_at": told["enqueued_at"].isoformat(), "zone": "0:00:00",
    }  # fmt: skip


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
    shop: Shop, word: str, state: str, attempts: list[str], attempt: int, returned: bool
) -> None:
    row = await shop.run(jobs.says.call(word, returned=returned))
    assert (row["state"], [each["outcome"] for each in row["told"]], row["attempt"]) == (state, attempts, attempt)


async def test_what_an_exception_means_is_judged_where_it_was_raised_and_its_words_arrive_whole(shop: Shop) -> None:
    rows = [await shop.run(jobs.raises.call(what)) for what in ("key", "timeout", "os")]
    assert [row["state"] for row in rows] == ["dead", "completed", "completed"]
    assert [[each["outcome"] for each in row["told"]] for row in rows] == [["discarded"], ["snoozed", "done"], ["failed", "done"]]
    assert (rows[0]["error_type"], rows[0]["error_message"]) == ("KeyError", "'ü\\x00\\ud800'")
    assert "in raises" in rows[0]["told"][0]["traceback"]


async def test_what_it_writes_is_kept_with_the_attempt_down_to_its_children(shop: Shop) -> None:
    row = await shop.run(jobs.speaks.call("hello"))
    output = row["told"][0]["output"]
    assert sorted(output.splitlines()) == ["err hello", "from a child", "from below", "logged hello", "out hello"]
    assert (await shop.run(jobs.good.call(1)))["told"] == []


async def test_a_flood_of_output_is_cut_from_the_front(shop: Shop) -> None:
    output = (await shop.run(jobs.prints.call(20)))["told"][0]["output"]
    assert output.startswith("[... 20905984 bytes dropped ...]\n")
    assert len(output) == 64 * 1024 + 33


async def test_as_much_of_it_is_kept_as_its_queue_says(shop: Shop) -> None:
    output = (await shop.run(jobs.prints.call(2).options(queue="batches")))["told"][0]["output"]
    assert output.startswith("[... 1994752 bytes dropped ...]\n")
    assert len(output) == 100 * 1024 + 32


async def test_a_batch_goes_in_and_out_as_one(shop: Shop) -> None:
    ids = await shop.stand.tide.enqueue_many([jobs.batched.call(n=n) for n in range(15)])
    rows = [await shop.stand.end(job_id) for job_id in ids]
    assert [row["result"] for row in rows] == list(range(15))
    assert max(int(line.split()[1]) for line in shop.stand.traces() if line.startswith("batch")) == 10


async def test_what_a_handler_enqueues_is_heard_of_by_its_node(shop: Shop) -> None:
    heard: list[Enqueued] = []
    shop.node.events.subscribe(lambda event: heard.append(event) if isinstance(event, Enqueued) else None)
    await shop.run(jobs.enqueues.call(shop.stand.database, str(shop.stand.config)))
    assert heard == [Enqueued("heavy", "tests.support.bad_jobs:good")]


# Its own transaction (A4)


def effects(shop: Shop, job_id: int) -> list[int]:
    return [row["n"] for row in shop.stand.rows("SELECT n FROM effects WHERE job_id = %s ORDER BY n", job_id)]


async def test_a_death_that_its_process_commits_has_forensics_too(shop: Shop) -> None:
    row = await shop.run(jobs.inserts_and_gives_up.call(7))
    assert (row["state"], effects(shop, row["id"])) == ("dead", [7])
    [told] = shop.stand.rows("SELECT forensics FROM tidegate.dead_letters WHERE job_id = %s", row["id"])
    found = told["forensics"]
    assert found["process"]["pid"] in shop.pids()
    assert found["system"]["memory_total"] > 0
    assert (found["settings"]["executor"], found["settings"]["max_attempts"]) == ("process", 3)
    assert found["versions"]["tidegate"]
    assert found["node"] == shop.node.supervisor.node
    assert {"queue_depths", "pools", "circuit", "recent_errors"} <= set(found["unavailable"])


@pytest.mark.parametrize("handler", [jobs.inserts, jobs.inserts_blocking])
async def test_a4_a_handlers_writes_commit_with_its_ack(shop: Shop, handler: Any) -> None:
    for n in (5, 6):
        row = await shop.run(handler.call(n))
        assert (row["state"], row["result"], effects(shop, row["id"])) == ("completed", n, [n])


@pytest.mark.parametrize("handler", [jobs.inserts, jobs.inserts_blocking])
async def test_a4_a_handler_that_raises_leaves_no_writes(shop: Shop, handler: Any) -> None:
    row = await shop.run(handler.call(5, fail=True))
    assert (row["attempt"], effects(shop, row["id"])) == (2, [5])
    assert [each["outcome"] for each in row["told"]] == ["failed", "done"]


async def test_a4_a_handler_that_dies_leaves_no_writes(shop: Shop) -> None:
    row = await shop.run(jobs.inserts_and_dies.call(5))
    assert (row["attempt"], effects(shop, row["id"])) == (2, [5])
    assert [each["outcome"] for each in row["told"]] == ["crashed", "done"]


async def test_a4_writes_of_a_handler_over_its_time_are_rolled_back(shop: Shop) -> None:
    row = await shop.run(jobs.inserts_too_slowly.call(5))
    assert ([each["outcome"] for each in row["told"]], effects(shop, row["id"])) == (["timed_out"], [])


async def test_a4_writes_under_a_lost_lease_are_rolled_back(shop: Shop) -> None:
    rejected: list[object] = []
    shop.node.events.subscribe(lambda event: rejected.append(event) if type(event).__name__ == "JobRejected" else None)
    job_id = await shop.stand.tide.enqueue(jobs.inserts_slowly, 77, seconds=0.5)
    await until(lambda: "start 77" in shop.stand.traces())
    shop.stand.execute("UPDATE tidegate.jobs SET lease = lease + 1 WHERE id = %s", job_id)
    await until(lambda: rejected)
    assert effects(shop, job_id) == []
    shop.stand.execute("DELETE FROM tidegate.jobs WHERE id = %s", job_id)
