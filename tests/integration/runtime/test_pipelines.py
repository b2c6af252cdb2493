"""Pipelines between claim and consumers, on a real PostgreSQL: they enrich, filter, batch, partition, and lose nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.support import lines
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, until
from tidegate import Node, Tidegate
from tidegate.errors import TidegateError
from tidegate.events import JobEnded


@pytest.fixture
async def line(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_of_lines(database, tmp_path) as stand:
        yield stand


@pytest.fixture(autouse=True)
def _steps_say_nothing() -> Iterator[None]:
    lines.SAYS.clear()
    yield
    lines.SAYS.clear()


@asynccontextmanager
async def stand_of_lines(database: str, folder: Path, **numbers: float) -> AsyncIterator[Stand]:
    known = {"lease": 30, "drain_timeout": 10, "consumers": 4, "demand": 1, **numbers}
    config = folder / "queues.yaml"
    config.write_text(lines.QUEUES.format(**known), "utf-8")
    async with Tidegate.connect(database, config=config) as tide:
        yield Stand(database, folder, tide, config)


def stage(node: Node, queue: str, name: str) -> Any:
    return node.supervisor.managers[queue].child(name)


def running(stand: Stand) -> int:
    count: int = stand.rows("SELECT count(*) AS n FROM tidegate.jobs WHERE state = 'running'")[0]["n"]
    return count


def live(stand: Stand) -> list[dict[str, Any]]:
    return stand.rows("SELECT id, state, node, attempt FROM tidegate.jobs ORDER BY id")


async def test_a_step_adds_to_what_the_handler_sees(line: Stand) -> None:
    async with line.node():
        ids = await line.tide.enqueue_many([lines.visit.call("/", ip="8.8.8.8"), lines.visit.call("/a", "193.1.1.1", "zz")])
        for job_id in ids:
            assert (await line.end(job_id))["state"] == "completed"
    assert sorted(line.traces()) == ["/ us us", "/a fr fr"]
    stored = line.rows("SELECT args::text AS args, meta FROM tidegate.history ORDER BY id")
    assert "fr" not in stored[1]["args"], "what a step adds is for the handler, the table keeps what was enqueued"


async def test_a_filtered_job_is_cancelled_with_the_reason(line: Stand) -> None:
    lines.SAYS["keep"] = lambda job: job.args["n"] % 2
    ended: list[JobEnded] = []
    async with line.node() as node:
        node.events.subscribe(lambda event: ended.append(event) if isinstance(event, JobEnded) else None)
        ids = await line.tide.enqueue_many([lines.tell.call(n) for n in range(4)])
        ends = [await line.end(job_id) for job_id in ids]
    assert [end["state"] for end in ends] == ["cancelled", "completed", "cancelled", "completed"]
    assert ends[0]["error_message"] == "nobody asked for it"
    assert [end["attempt"] for end in ends] == [0, 1, 0, 1], "a job that never started is not charged"
    assert sorted(event.word for event in ended) == ["cancelled", "cancelled", "done", "done"]
    assert sorted(line.traces()) == ["1 {}", "3 {}"]


@pytest.mark.parametrize(
    ("step", "says", "state", "attempts"),
    [
        ("enrich", ValueError("no"), "dead", ["failed", "failed"]),
        ("enrich", KeyError("atlantis"), "dead", ["discarded"]),
        ("enrich", lines.Cancel("as a step sees it"), "cancelled", ["cancelled"]),
        ("enrich", SystemExit(3), "dead", ["failed", "failed"]),
        ("keep", ValueError("no"), "dead", ["failed", "failed"]),
        ("keep", lines.Dead("hopeless"), "dead", ["discarded"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_what_a_step_raises_is_what_becomes_of_its_job_and_of_no_other(
    line: Stand, step: str, says: BaseException, state: str, attempts: list[str]
) -> None:
    def raises(job: Any) -> bool:
        if job.args["n"] == 1:
            raise says
        return True if step == "keep" else None  # type: ignore[return-value]

    lines.SAYS[step] = raises
    async with line.node() as node:
        ids = await line.tide.enqueue_many([lines.tell.call(n) for n in range(3)])
        ends = [(await line.end(job_id))["state"] for job_id in ids]
        assert [info.restarts for info in node.supervisor.managers["free"].which_children()] == [0] * 6
    assert ends == ["completed", state, "completed"]
    told = [row["outcome"] for row in line.rows("SELECT outcome FROM tidegate.attempts WHERE job_id = %s ORDER BY lease", ids[1])]
    assert told == attempts


async def test_a_step_that_hangs_is_over_its_time_out(line: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.free, "_function", lambda: [lines.Enrich(lines.enrich, timeout=0.5), lines.Filter(lines.keep)])
    lines.SAYS["enrich"] = lambda job: asyncio.sleep(600) if job.args["n"] == 1 and job.attempt == 1 else None
    async with line.node():
        ids = await line.tide.enqueue_many([lines.tell.call(n) for n in range(3)])
        assert [(await line.end(job_id))["state"] for job_id in ids] == ["completed"] * 3
    assert line.attempts(ids[1]) == ["timed_out", "done"]


@pytest.mark.parametrize("said", [5, {"n": "a word"}, {"nowhere": 1}], ids=["no mapping", "a misfit", "no such argument"])
async def test_what_does_not_fit_the_handler_fails_the_attempt(line: Stand, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.visits, "_function", lambda: [lines.Enrich(lambda _: said, into="args")])
    async with line.node():
        end = await line.end(await line.tide.enqueue(lines.visit, "/", ip="8.8.8.8"))
    assert end["state"] == "dead"
    assert end["error_type"] in {"TypeError", "tidegate.errors.InvalidArguments"}


async def test_a_job_that_does_not_decode_passes_the_steps_and_is_invalid(line: Stand) -> None:
    lines.SAYS["keep"] = lambda job: job.args["n"] >= 0
    async with line.node():
        job_id = await line.tide.enqueue("tests.support.lines:tell", "no number", check=False)
        end = await line.end(job_id)
    assert (end["state"], end["reason"]) == ("dead", "invalid")


async def test_a_batch_handler_gets_jobs_of_one_key(line: Stand) -> None:
    orders = [lines.bill.call(customer=name, n=n) for n in range(25) for name in ("ada", "bob")]
    ids = await line.tide.enqueue_many(orders)
    async with line.node():
        for job_id in ids:
            await line.end(job_id)
    seen = [trace.split() for trace in line.traces()]
    assert {name for name, _ in seen} == {"ada", "bob"}
    assert sum(int(size) for _, size in seen) == 50
    assert max(int(size) for _, size in seen) == 10
    assert [line.finished(job_id) for job_id in ids].count(None) == 0


async def test_a_batch_that_does_not_fill_goes_after_its_time(line: Stand) -> None:
    async with line.node():
        ids = await line.tide.enqueue_many([lines.bill.call(customer="ada", n=n) for n in range(3)])
        for job_id in ids:
            await line.end(job_id)
    assert line.traces() == ["ada 3"]


async def test_an_unknown_argument_as_key_fails_the_attempt(line: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.batches, "_function", lambda: [lines.BatchBy("client")])
    async with line.node():
        end = await line.end(await line.tide.enqueue(lines.bill.call(customer="ada", n=1)))
    assert (end["state"], end["error_type"]) == ("dead", "AttributeError")


async def test_jobs_of_one_key_run_one_after_the_other_in_their_order_and_others_beside_them(line: Stand) -> None:
    calls = [lines.book.call(account, n) for n in range(8) for account in "abc"]
    ids = await line.tide.enqueue_many(calls)
    async with line.node():
        for job_id in ids:
            await line.end(job_id)
    given_back = {tuple(row["args"]["args"]) for row in line.rows("SELECT args FROM tidegate.history WHERE lease > 1")}
    by_account = groupby(sorted(map(str.split, line.traces()), key=lambda words: words[1]), key=lambda words: words[1])
    for account, words in by_account:
        told = [(verb, int(n)) for verb, _, n in words]
        assert [verb for verb, _ in told] == ["start", "end"] * 8
        order = [n for verb, n in told if verb == "start"]
        assert sorted(order) == list(range(8))
        kept = [n for n in order if (account, n) not in given_back]  # one that was given back may come after a later one
        assert kept == sorted(kept)
    overlaps = 0
    at_once: set[str] = set()
    for verb, account, _ in map(str.split, line.traces()):
        at_once = at_once | {account} if verb == "start" else at_once - {account}
        overlaps = max(overlaps, len(at_once))
    assert overlaps > 1


async def test_a_busy_key_does_not_keep_others_from_being_found_behind_it(line: Stand) -> None:
    async with Node(line.settings_with(drain_timeout=0.2)):
        await line.tide.enqueue_many([lines.book.call("hot", n, seconds=600.0) for n in range(20)])
        await until(lambda: "start hot 0" in line.traces())
        cold = await line.tide.enqueue(lines.book, "cold", 1)
        assert (await line.end(cold))["state"] == "completed"
        assert line.traces()[:3] == ["start hot 0", "start cold 1", "end cold 1"]
    assert len(live(line)) == 20


async def test_a_key_is_free_again_when_its_job_waits_for_a_retry(line: Stand) -> None:
    async with line.node():
        first, second = await line.tide.enqueue_many([lines.book.call("a", 1, fail=True), lines.book.call("a", 2)])
        for job_id in (first, second):
            assert (await line.end(job_id))["state"] == "completed"
    assert line.traces() == ["start a 1", "end a 1", "start a 2", "end a 2", "start a 1", "end a 1"]


async def test_steps_follow_each_other_and_every_job_comes_to_its_end(line: Stand) -> None:
    ids = await line.tide.enqueue_many([lines.link.call(key="xyz"[n % 3], n=n) for n in range(60)])
    async with line.node():
        ends = [await line.end(job_id) for job_id in ids]
    assert [n for n, end in enumerate(ends) if end["state"] == "cancelled"] == sorted([*range(4, 60, 5), 18])
    assert sorted(int(trace.split()[1]) for trace in line.traces()) == [n for n in range(60) if n % 5 != 4 and n != 18]
    for key in "xyz":
        numbers = [int(n) for name, n in map(str.split, line.traces()) if name == key and n not in ("13", "17")]
        assert numbers == sorted(numbers), "enrichment that takes its time does not change the order of a key"


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.long)])
async def test_steps_come_before_threads_and_processes_as_well(line: Stand, executor: str) -> None:
    line.config.write_text(line.config.read_text().replace("executor: thread", f"executor: {executor}"), "utf-8")
    calls = [lines.visits_apart.call(ip=ip) for _ in range(4) for ip in ("193.1.1.1", "8.8.8.8")]
    async with line.node():
        ids = await line.tide.enqueue_many(calls)
        assert [(await line.end(job_id))["state"] for job_id in ids] == ["completed"] * 8
    told = [trace.split() for trace in line.traces()]
    assert {(country, seen) for country, _, seen in told} == {("fr", "here"), ("us", "here")}
    assert sum(int(size) for _, size, _ in told) == 8


async def test_nothing_is_claimed_for_which_no_consumer_waits(line: Stand) -> None:
    lines.SAYS["keep"] = lambda _: True
    async with Node(line.settings_with(drain_timeout=0.2)):
        await line.tide.enqueue_many([lines.slow.call(n, seconds=600.0) for n in range(30)])
        await until(lambda: len(line.traces()) == 4)
        assert running(line) == 4
        await line.tide.enqueue(lines.tell, 0)
        assert running(line) == 4


async def test_a_pool_of_nobody_holds_nothing(line: Stand) -> None:
    gate = asyncio.Event()
    lines.SAYS["enrich"] = lambda job: gate.wait() if job.args["n"] == 1 else None
    async with line.node() as node:
        job_id = await line.tide.enqueue(lines.tell, 1)
        await until(lambda: running(line) == 1)
        manager = node.supervisor.managers["free"]
        await manager.pool.resize(0)
        await until(lambda: running(line) == 0, what="the job to be given back")
        assert live(line)[0]["attempt"] == 0
        lines.SAYS.clear()
        await manager.pool.resize(1)
        assert (await line.end(job_id))["state"] == "completed"


@pytest.mark.parametrize(
    ("queue", "name"),
    [("free", "1-enrich"), ("batches", "1-batchby"), ("lanes", "1-partitionby")],
    ids=["enrich", "batch", "lanes"],
)
@pytest.mark.parametrize("how", ["crash", pytest.param("kill", marks=pytest.mark.long)])
async def test_a_stage_that_crashes_is_started_again_and_no_job_is_lost(line: Stand, queue: str, name: str, how: str) -> None:
    lines.SAYS["enrich"] = lambda _: asyncio.sleep(0.02)
    calls = {
        "free": [lines.slow.call(n) for n in range(40)],
        "batches": [lines.bill.call(customer="abcde"[n % 5], n=n) for n in range(40)],
        "lanes": [lines.book.call("abc"[n % 3], n) for n in range(40)],
    }[queue]
    async with line.node() as node:
        ids = await line.tide.enqueue_many(calls)
        for _ in range(3):
            await until(lambda: running(line) > 0 or not live(line))
            one = stage(node, queue, name)
            if how == "kill":
                one.kill()
            else:
                one._post(one._fail, None, RuntimeError("told to"))
            await until(partial(stage_is_new, node, queue, name, one), what="a new stage")
        for job_id in ids:
            assert (await line.end(job_id))["state"] == "completed"
        assert node.supervisor.broken == ()
    assert live(line) == []
    if queue != "batches":
        assert {trace for trace in line.traces() if trace.startswith("end")} == {f"end {words}" for words in expected(queue)}


def expected(queue: str) -> list[str]:
    return [str(n) for n in range(40)] if queue == "free" else [f"{'abc'[n % 3]} {n}" for n in range(40)]


def stage_is_new(node: Node, queue: str, name: str, old: Any) -> bool:
    try:
        return stage(node, queue, name) is not old
    except TidegateError:  # it is being started
        return False


async def test_b30_a_drain_in_the_middle_hands_back_all_that_was_not_started(line: Stand) -> None:
    lines.SAYS["enrich"] = lambda job: asyncio.sleep(600) if job.args["n"] % 2 else None
    async with line.node():
        await line.tide.enqueue_many([lines.slow.call(n, seconds=0.5) for n in range(10)])
        await line.tide.enqueue_many([lines.bill.call(customer=f"c{n}", n=n) for n in range(7)])
        await line.tide.enqueue_many([lines.book.call("a", n, seconds=0.3) for n in range(5)])
        await until(lambda: {"start 0", "start a 0"} <= set(line.traces()))
        await until(lambda: running(line) > 6)
    rows = live(line)
    assert {(row["state"], row["node"], row["attempt"]) for row in rows} == {("ready", None, 0)}
    assert {"end 0", "end a 0"} <= set(line.traces()), "what ran was finished"
    done = line.rows("SELECT count(*) AS n FROM tidegate.history WHERE state = 'completed'")[0]["n"]
    assert done + len(rows) == 22
    lines.SAYS.clear()
    async with line.node():
        await until(lambda: not live(line), within=30)
    assert line.rows("SELECT count(*) AS n FROM tidegate.history WHERE state = 'completed'")[0]["n"] == 22


@pytest.mark.long
async def test_a_killed_node_loses_nothing_that_its_pipeline_held(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_of_lines(database, tmp_path, lease=1.5) as line:
        node = line.node()
        await node.__aenter__()
        ids = await line.tide.enqueue_many([lines.bill.call(customer=f"c{n}", n=n) for n in range(8)])
        await until(lambda: running(line) > 0)
        node.kill()
        await node.join()
        await node._close()
        async with line.node():
            for job_id in ids:
                assert (await line.end(job_id))["state"] == "completed"


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_kill_9_of_a_node_in_the_middle_of_its_pipelines_loses_no_job(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_of_lines(database, tmp_path, lease=3) as line:
        ids = await line.tide.enqueue_many([lines.book.call("abc"[n % 3], n) for n in range(60)])
        ids += await line.tide.enqueue_many([lines.bill.call(customer=f"c{n % 4}", n=n) for n in range(60)])
        ids += await line.tide.enqueue_many([lines.link.call(key="xyz"[n % 3], n=n) for n in range(60)])
        for _ in range(2):
            with NodeProcess(database, tmp_path) as node:
                await until(lambda: running(line) > 2 or not live(line))
                node.signal(signal.SIGKILL)
                await asyncio.to_thread(node.end)
        with NodeProcess(database, tmp_path):
            await until(lambda: not live(line), within=60, what="all jobs to end")
    states = line.rows("SELECT id, state FROM tidegate.history UNION ALL SELECT job_id, 'dead' FROM tidegate.dead_letters")
    assert sorted(row["id"] for row in states) == sorted(ids)
    assert [row["state"] for row in states].count("dead") == 0
    assert [row["state"] for row in states].count("cancelled") == len([n for n in range(60) if n % 5 == 4 or n == 18])
