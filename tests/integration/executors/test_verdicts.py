"""What becomes of a job that takes its process with it, or does not let go of it."""

from __future__ import annotations

import re
from typing import Any

import psutil
import pytest

from tests.integration.executors.conftest import Shop
from tests.support import bad_jobs as jobs
from tests.support.stand import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = {
    "exits with 0", "is killed", "hangs up", "talks nonsense", "bit by bit", "in C", "a coroutine", "whoever swallows everything",
    "whoever swallows cancellation", "whoever ignores SIGTERM",
}  # fmt: skip


def cases(table: dict[str, Any]) -> list[Any]:
    """Return the cases of a table as parameters; each takes a second or two for the next process, so most are for the long suite."""
    return [
        pytest.param(*(each if isinstance(each, tuple) else (each,)), id=name, marks=[pytest.mark.long] if name in LONG else [])
        for name, each in table.items()
    ]


CRASHES = {
    "segfaults": (jobs.segfaults.call(), r"its process was ended by SIGSEGV \(Segmentation fault\).*allowed 512 MiB"),
    "exits": (jobs.exits_at_once.call(7), r"its process ended with exit code 7"),
    "exits with 0": (jobs.exits_at_once.call(0), r"its process ended with exit code 0"),
    "is killed": (jobs.kills_itself.call(), r"its process was ended by SIGKILL \(Killed\), which its node did not send"),
    "hangs up": (jobs.closes_descriptors.call(), jobs.HANGS_UP),
    "talks nonsense": (jobs.scribbles_over_descriptors.call(), r"its process said what is no answer"),
}


@pytest.mark.parametrize(("call", "words"), cases(CRASHES))
async def test_a_job_that_ends_its_process_has_crashed_and_the_process_is_replaced(shop: Shop, call: Any, words: str) -> None:
    await until(lambda: len(shop.pids()) == 2)
    row = await shop.run(call)
    assert (row["state"], row["reason"], row["attempt"], row["error_type"]) == ("dead", "attempts_exhausted", 1, "Crashed")
    assert re.match(words, row["error_message"]), row["error_message"]
    assert [each["outcome"] for each in row["told"]] == ["crashed"]
    await until(lambda: len(shop.pids()) == 2)
    assert (await shop.run(jobs.good.call(1)))["state"] == "completed"


async def test_a_crash_tells_where_it_happened_and_what_was_said_before(shop: Shop) -> None:
    [told] = (await shop.run(jobs.segfaults))["told"]
    assert told["output"] == "about to fall\nfalling\n"
    assert "Fatal Python error: Segmentation fault" in told["traceback"]
    assert re.search(r'bad_jobs\.py", line \d+ in segfaults', told["traceback"])
    assert told["traceback"].endswith("The last of its stderr:\nfalling\n")
    assert "tidegate/runtime" not in told["traceback"]


OUT_OF_MEMORY = {
    "at once": (jobs.asks_for_too_much.call(), "failed", "MemoryError"),
    "bit by bit": (jobs.eats_memory.call(), "failed", "MemoryError"),
    "in C": (jobs.eats_memory_in_c.call(), "crashed", "Crashed"),
}


@pytest.mark.parametrize(("call", "word", "kind"), cases(OUT_OF_MEMORY))
async def test_a_job_over_its_memory_is_out_of_memory(shop: Shop, call: Any, word: str, kind: str) -> None:
    before = await until(lambda: len(shop.pids()) == 2 and shop.pids())
    row = await shop.run(call)
    assert ([each["outcome"] for each in row["told"]], row["error_type"]) == ([word], kind)
    assert row["error_message"].startswith("out of memory: ")
    assert "512 MiB" in row["error_message"]
    await until(lambda: len(shop.pids()) == 2 and shop.pids() != before)  # the one that ran out is not used again


ENDLESS = {
    "a loop": jobs.loops.call(),
    "a coroutine": jobs.loops_async.call(),
    "C code that holds the lock": jobs.loops_in_c.call(),
    "whoever swallows everything": jobs.swallows_everything.call(),
    "whoever swallows cancellation": jobs.swallows_cancellation.call(),
    "whoever ignores SIGTERM": jobs.ignores_sigterm.call(),
}


@pytest.mark.parametrize("call", cases(ENDLESS))
async def test_a_job_over_its_time_is_ended_and_tells_where_it_stood(shop: Shop, call: Any) -> None:
    row = await shop.run(call)
    assert ([each["outcome"] for each in row["told"]], row["reason"]) == (["timed_out"], "attempts_exhausted")
    assert row["error_message"] == "ran longer than its time-out of 0.5 s"
    if call.function is not jobs.ignores_sigterm:  # that took its words, too
        assert "bad_jobs.py" in row["told"][0]["traceback"]
    assert 0.5 <= row["told"][0]["duration"] < 60


async def test_a_job_over_its_time_may_tidy_up(shop: Shop) -> None:
    row = await shop.run(jobs.tidies_up.call(5).options(queue="batches"))
    assert [each["outcome"] for each in row["told"]] == ["timed_out"]
    assert "tidied 5" in shop.stand.traces()


async def test_a_job_over_its_time_may_say_an_outcome(shop: Shop) -> None:
    row = await shop.run(jobs.is_late.call("done").options(queue="batches"))
    assert (row["state"], row["result"]) == ("completed", "finished all the same")


@pytest.mark.long
@pytest.mark.parametrize("handler", [jobs.is_late, jobs.is_late_on_the_main_thread])
async def test_a_job_over_its_time_has_only_its_outcome_to_say(shop: Shop, handler: Any) -> None:
    ids = await shop.stand.tide.enqueue_many([handler.call(how).options(queue="batches") for how in ("done", "dead", "returns")])
    done, dead, returned = [await shop.stand.end(job_id, within=60) for job_id in ids]
    assert (done["state"], done["result"]) == ("completed", "finished all the same")
    assert (dead["state"], dead["reason"], dead["error_message"]) == ("dead", "discarded", "hopeless")
    assert (returned["state"], shop.stand.attempts(ids[2])) == ("dead", ["timed_out"])


async def test_whatever_a_job_started_ends_with_it(shop: Shop) -> None:
    row = await shop.run(jobs.has_a_tree_of_children)
    assert [each["outcome"] for each in row["told"]] == ["timed_out"]
    children = [int(line.split()[1]) for line in shop.stand.traces() if line.startswith("child ")]
    assert len(children) >= 4
    await until(lambda: not any(_runs(pid) for pid in children))


async def test_a_job_that_crashes_three_processes_is_poison_although_attempts_are_left(shop: Shop) -> None:
    row = await shop.run(jobs.exits_at_once.call(1).options(max_attempts=9))
    assert (row["reason"], row["attempt"]) == ("poison", 3)
    assert [each["outcome"] for each in row["told"]] == ["crashed"] * 3


async def test_those_in_a_batch_with_a_killer_run_again_alone_and_are_not_charged(shop: Shop) -> None:
    ids = await shop.stand.tide.enqueue_many([jobs.batched.call(n=100 + n, bad=n == 3) for n in range(8)])
    rows = [await shop.stand.end(job_id, within=60) for job_id in ids]
    assert [row["state"] for row in rows] == ["completed"] * 3 + ["dead"] + ["completed"] * 4
    assert {row["attempt"] for row in rows} == {1}
    traces = shop.stand.counts()
    assert [traces[str(100 + n)] for n in range(8)] == [1, 1, 1, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (jobs.exits.call(3), "SystemExit"),
        (jobs.interrupts.call(), "KeyboardInterrupt"),
        (jobs.unserialisable.call(), "tidegate.handlers.signature.InvalidResult"),
        (jobs.holds_itself.call(), "tidegate.handlers.signature.InvalidResult"),
        (jobs.returns_too_much.call(), "Failed"),
        (jobs.raises_what_cannot_be_told.call(), "tests.support.bad_jobs.Nasty"),
    ],
)
async def test_what_can_be_told_is_a_failure_and_costs_no_process(shop: Shop, call: Any, kind: str) -> None:
    before = await until(lambda: len(shop.pids()) == 2 and shop.pids())
    row = await shop.run(call)
    assert ([each["outcome"] for each in row["told"]], row["error_type"]) == (["failed"], kind)
    assert shop.pids() == before


async def test_a_process_that_is_killed_while_idle_is_replaced_at_once(shop: Shop) -> None:
    before = await until(lambda: len(shop.pids()) == 2 and shop.pids())
    psutil.Process(before[0]).kill()
    await until(lambda: len(shop.pids()) == 2 and before[0] not in shop.pids())
    assert shop.node.supervisor.managers["heavy"].size().alive == 2


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
