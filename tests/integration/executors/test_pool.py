"""The processes of a pool: they come and go one by one, are replaced when worn, and never outlive their node."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.integration.executors.conftest import Shop, stand_with
from tests.support import bad_jobs as jobs
from tests.support import hostile_jobs as hostile
from tests.support.postgres import Server
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, until
from tidegate import Tidegate
from tidegate.events import QueueBroken
from tidegate.store import migrate
from tidegate.store.connection import connect


async def pid_of(stand: Stand, queue: str = "heavy") -> int:
    row = await stand.end(await stand.tide.enqueue(jobs.whoami.call().options(queue=queue)))
    return int(row["result"][0])


async def test_a_process_is_replaced_after_max_jobs_and_above_max_memory(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heavy, batches = "{executor: process, consumers: 1, max_jobs: 2}", "{executor: process, consumers: 1, max_memory: 200MiB}"
    caplog.set_level(logging.INFO, "tidegate.processes")
    async with stand_with(database, tmp_path, heavy=heavy, batches=batches) as stand, stand.node():
        first, second, third = [await pid_of(stand) for _ in range(3)]
        assert first == second != third
        lean = await pid_of(stand, "batches")
        assert await pid_of(stand, "batches") == lean
        await stand.end(await stand.tide.enqueue(jobs.leaks.call(200).options(queue="batches")))
        assert await pid_of(stand, "batches") != lean
        await until(lambda: not psutil.pid_exists(lean))
    assert "has run 2 jobs and is replaced: max_jobs is 2" in caplog.text
    assert "has run 3 jobs and is replaced: max_memory is 200 MiB" in caplog.text


@pytest.mark.asyncio(loop_scope="module")
async def test_a_pool_grows_and_shrinks_while_others_run(shop: Shop) -> None:
    await until(lambda: len(shop.pids()) == 2)
    pool = shop.node.supervisor.managers["heavy"].pool
    before = shop.pids()
    running = await shop.stand.tide.enqueue(jobs.sleeps, 1, seconds=4.0)
    await until(lambda: any(line.startswith("start 1 ") for line in shop.stand.traces()))
    await pool.resize(3)
    assert (pool.size().alive, set(before) < set(shop.pids())) == (3, True)
    await pool.resize(1)
    await until(lambda: len(shop.pids()) == 1)
    assert await shop.stand.end(running)  # shrinking lets the idle ones go: the busy one has not noticed
    assert shop.stand.counts()["end 1"] == 1
    await pool.resize(2)
    assert (pool.size().alive, len(shop.pids())) == (2, 2)


@pytest.mark.long
@pytest.mark.asyncio(loop_scope="module")
async def test_a_pool_may_be_empty_and_opens_again(shop: Shop) -> None:
    pool = shop.node.supervisor.managers["heavy"].pool
    await pool.resize(0)
    await until(lambda: shop.pids() == [])
    waiting = await shop.stand.tide.enqueue(jobs.good, 7)
    await pool.resize(2)
    assert (await shop.stand.end(waiting))["result"] == 7


async def test_a_module_that_processes_cannot_import_breaks_its_queue_and_no_other(database: str, tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(
        "import sys\nfrom tidegate import job\n\n"
        "if 'process_main' in sys.argv[0]:\n    raise OSError('no licence here')\n\n"
        "@job(queue='heavy')\ndef f() -> int:\n    return 1\n\n@job(queue='light')\ndef g() -> int:\n    return 2\n"
    )
    (tmp_path / "queues.yaml").write_text("jobs: [picky]\nqueues:\n  heavy: {executor: process}\n  light: {executor: thread}\n")
    from tidegate import Node
    from tidegate.settings import Settings

    broken: list[QueueBroken] = []
    node = Node(Settings.load(tmp_path / "queues.yaml", database=database))
    node.events.subscribe(lambda event: broken.append(event) if isinstance(event, QueueBroken) else None)
    async with Tidegate.connect(database, config=tmp_path / "queues.yaml") as tide, node:
        stand = Stand(database, tmp_path, tide, tmp_path / "queues.yaml")
        assert (await stand.end(await tide.enqueue("picky:g")))["result"] == 2
        assert node.supervisor.broken == ("heavy",)
        assert "the jobs module 'picky' cannot be imported" in broken[0].error
        assert "no licence here" in broken[0].error


@pytest.mark.long
async def test_a_job_that_outlasts_the_drain_is_killed_and_given_back(stand: Stand) -> None:
    async with stand.node():
        short = await stand.tide.enqueue(jobs.sleeps, 1, seconds=1.0)
        await until(lambda: any(line.startswith("start 1 ") for line in stand.traces()))
    assert (await stand.end(short))["state"] == "completed"
    from tidegate import Node

    async with Node(stand.config, database=stand.database, drain_timeout=0.3):
        long = await stand.tide.enqueue(jobs.sleeps, 2)
        start = await until(lambda: next((line for line in stand.traces() if line.startswith("start 2 ")), None))
    assert not psutil.pid_exists(int(start.split()[2]))
    assert stand.rows("SELECT id, state, attempt FROM tidegate.jobs") == [{"id": long, "state": "ready", "attempt": 0}]


def test_a_node_hears_what_its_processes_say_and_takes_them_along_when_it_is_killed(stand_files: tuple[str, Path]) -> None:
    database, folder = stand_files
    with NodeProcess(database, folder) as node:
        processes = psutil.Process(node.process.pid).children(recursive=True)
        assert len([each for each in processes if "process_main" in " ".join(each.cmdline())]) >= 2
        with Tidegate.connect_sync(database, config=folder / "queues.yaml") as tide:
            job_id = tide.enqueue(jobs.speaks, "hello")
        node.wait_for("logged hello")
        [line] = [json.loads(line) for line in node.said.splitlines() if "logged hello" in line]
        assert (line["level"], line["logger"], line["job_id"], line["attempt"]) == ("warning", "shop", job_id, 1)
        assert (line["queue"], line["kind"]) == ("heavy", "tests.support.bad_jobs:speaks")
        node.wait_for("\nout hello\n")  # it comes by another way
        node.signal(signal.SIGKILL)
        node.end()
        assert psutil.wait_procs(processes, timeout=60)[1] == []


@pytest.mark.long
def test_a_node_that_is_told_to_end_leaves_nothing_behind(stand_files: tuple[str, Path]) -> None:
    database, folder = stand_files
    with NodeProcess(database, folder) as node:
        processes = psutil.Process(node.process.pid).children(recursive=True)
        node.signal(signal.SIGTERM)
        assert node.end() == 0
        assert psutil.wait_procs(processes, timeout=60)[1] == []
    assert "Traceback" not in node.said


@pytest.mark.long  # five seconds pass before it leaves without the job
def test_a_node_that_is_told_to_end_does_not_wait_for_a_job_that_never_does(stand_files: tuple[str, Path]) -> None:
    database, folder = stand_files
    (folder / "queues.yaml").write_text(
        "jobs: [tests.support.hostile_jobs]\ndefaults: {kill_after: 0.1, max_attempts: 1}\nqueues: {heavy: {consumers: 2}}\n"
    )
    with NodeProcess(database, folder) as node, Tidegate.connect_sync(database, config=folder / "queues.yaml") as tide:
        tide.enqueue(hostile.never_lets_itself_be_cancelled)
        node.wait_for("does not end although it was asked to")
        node.signal(signal.SIGTERM)
        assert node.end() == 0
    assert "what a job left behind does not end" in node.said
    assert "Traceback" not in node.said


@pytest.fixture
def stand_files(database: str, tmp_path: Path) -> tuple[str, Path]:
    async def write() -> None:
        async with stand_with(database, tmp_path):
            pass

    asyncio.run(write())
    return database, tmp_path


@pytest.mark.long
async def test_a4_a_commit_whose_database_goes_away_happens_once_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    with Server() as server:
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
        async with stand_with(database, tmp_path) as stand, stand.node() as node:
            stand.execute("CREATE TABLE effects (n integer, job_id bigint)")
            calls = [jobs.inserts_slowly.call(n, seconds=1.0).options(max_attempts=9) for n in range(4)]
            ids = await stand.tide.enqueue_many(calls)
            await until(lambda: any(line.startswith("start") for line in stand.traces()))
            await asyncio.to_thread(server.restart)
            for job_id in ids:
                await until(lambda job_id=job_id: still(lambda: stand.finished(job_id)), within=60)
            assert [row["n"] for row in stand.rows("SELECT n FROM effects ORDER BY n")] == [0, 1, 2, 3]
            assert node.supervisor.managers["heavy"].size().alive == 2


def still(ask: Any) -> Any:
    """Return what `ask` returns, or nothing while the database is away."""
    try:
        return ask()
    except psycopg.OperationalError:
        return None
