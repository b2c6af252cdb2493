"""Jobs in processes that are cancelled while they run: cooperatively where they look, by force where they do not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.executors.conftest import Shop
from tests.support import bad_jobs as jobs
from tests.support.stand import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def cancelled(shop: Shop, call: Any, n: int, *, queue: str = "heavy") -> dict[str, Any]:
    """Enqueue a job, cancel it once it runs, and return what became of it."""
    job_id = await shop.stand.tide.enqueue(call.options(queue=queue))
    await until(lambda: any(line.split(maxsplit=2)[:2] == ["start", str(n)] for line in shop.stand.traces()), what="it to run")
    assert await shop.stand.tide.cancel(job_id)
    row = await shop.stand.end(job_id, within=60)
    return {**row, "words": shop.stand.attempts(job_id)}


async def test_a_function_that_looks_ends_and_its_process_lives_on(shop: Shop) -> None:
    before = await until(lambda: len(shop.pids("batches")) == 1 and shop.pids("batches"))
    row = await cancelled(shop, jobs.watches.call(801), 801, queue="batches")
    assert (row["state"], row["words"], row["attempt"]) == ("cancelled", ["cancelled"], 1)
    assert shop.pids("batches") == before


@pytest.mark.parametrize(("n", "how"), [(802, "plain"), (803, "returns")])
async def test_a_coroutine_is_cancelled_and_its_process_lives_on(shop: Shop, n: int, how: str) -> None:
    before = await until(lambda: len(shop.pids("batches")) == 1 and shop.pids("batches"))
    row = await cancelled(shop, jobs.waits.call(n, how), n, queue="batches")
    assert (row["state"], row["words"]) == ("cancelled", ["cancelled"])
    assert shop.pids("batches") == before


async def test_a_coroutine_may_say_that_it_is_done(shop: Shop) -> None:
    row = await cancelled(shop, jobs.waits.call(804, "done"), 804, queue="batches")
    assert (row["state"], row["result"]) == ("completed", "finished all the same")


async def test_a_function_that_does_not_look_is_ended_by_force_and_its_process_replaced(shop: Shop) -> None:
    await until(lambda: len(shop.pids()) == 2)
    before = shop.pids()
    row = await cancelled(shop, jobs.sleeps.call(805), 805)
    assert (row["state"], row["words"]) == ("cancelled", ["cancelled"])
    await until(lambda: len(shop.pids()) == 2, what="the pool to be whole again")
    assert len(set(before) & set(shop.pids())) == 1
    assert (await shop.run(jobs.good.call(806)))["result"] == 806
