"""Whole runs of the demo against a real database."""

import asyncio
import io
import os
import threading
from pathlib import Path
from random import Random

import pytest
from rich.console import Console
from tests.support.stand import until

from tidegate.demo.run import config_in, run
from tidegate.runtime.node import Node
from tidegate.settings import Settings

ROOT = Path(__file__).parents[3]


def settings(database, folder):
    return Settings.load(config_in(folder), environ={}, database=database)


async def ran(database, folder, **options):
    words = io.StringIO()
    summary = await run(settings(database, folder), console=Console(file=words, width=200), rng=Random(11), **options)
    return summary, words.getvalue()


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    for name in ("SMTP_URL", "SHOP_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


async def test_a_short_run_ends_with_everything_done_retried_or_dead(database, tmp_path):
    summary, words = await ran(database, tmp_path, seconds=3, rate=50)
    assert summary.problems == ()
    assert summary.total("enqueued") == summary.total("done") + summary.total("dead")
    assert min(summary.total(what) for what in ("done", "retried", "dead")) > 0
    assert "letters go through smtp://127.0.0.1:" in words


@pytest.mark.long
async def test_a_run_shows_a_crash_that_costs_one_attempt(database, tmp_path):
    summary, _ = await ran(database, tmp_path, seconds=2, rate=20)
    [crash] = summary.queues[2].crashes
    assert (crash.kind, crash.attempt, crash.again) == ("read_scan", 1, True)
    assert crash.verdict.startswith("its process was ended by SIGBUS (Bus error)")
    assert summary.queues[2].done == summary.queues[2].enqueued


@pytest.mark.long
async def test_a_run_leaves_letters_counts_and_pool_sizes(database, tmp_path):
    summary, _ = await ran(database, tmp_path, seconds=2, rate=30)
    email, analytics, _ = summary.queues
    assert summary.letters.arrived == email.done > 0
    assert summary.departures.counted == analytics.done > 0
    assert all(max(queue.consumers) >= 1 for queue in (email, analytics))


@pytest.mark.long
async def test_a_run_leaves_no_thread_and_no_variable(database, tmp_path):
    await ran(database, tmp_path, seconds=1, rate=10)
    assert not any(thread.name == "postbox" for thread in threading.enumerate())
    assert "SMTP_URL" not in os.environ


async def test_a_run_writes_to_the_tidegate_folder_only(database, tmp_path):
    await ran(database, tmp_path, seconds=1, rate=10)
    assert [each.name for each in tmp_path.iterdir()] == [".tidegate"]
    assert {each.name for each in (tmp_path / ".tidegate" / "demo").iterdir()} >= {"mail", "queues.yaml"}


@pytest.mark.long
async def test_a_second_run_in_the_same_place_counts_its_own(database, tmp_path):
    await ran(database, tmp_path, seconds=1, rate=30)
    summary, _ = await ran(database, tmp_path, seconds=1, rate=30)
    assert summary.problems == ()
    assert summary.letters.arrived == summary.queues[0].done


@pytest.mark.long
async def test_jobs_that_another_node_runs_are_waited_for_too(database, tmp_path):
    async with Node(settings(database, tmp_path)):
        summary, _ = await ran(database, tmp_path, seconds=2, rate=40)
    assert summary.ok
    assert summary.total("done") + summary.total("dead") < summary.total("enqueued")
    assert summary.departures.counted == summary.queues[1].enqueued


@pytest.mark.timeout(240)
async def test_a_run_without_an_end_ends_when_it_is_stopped(database, tmp_path):
    stop = asyncio.Event()
    words = io.StringIO()
    running = asyncio.ensure_future(
        run(settings(database, tmp_path), console=Console(file=words, width=200), rng=Random(11), seconds=0, rate=20, stop=stop)
    )
    await until(lambda: "the shop is open" in words.getvalue())
    asyncio.get_running_loop().call_later(2, stop.set)
    async with asyncio.timeout(100):  # what was enqueued is done first
        summary = await running
    assert summary.ok
    assert summary.total("done") > 0


def test_the_folders_own_queues_file_is_used_where_it_is_the_shops(tmp_path):
    (tmp_path / "queues.yaml").write_bytes((ROOT / "queues.yaml").read_bytes())
    assert config_in(tmp_path) == tmp_path / "queues.yaml"


def test_a_copied_configuration_is_ignored_by_git(tmp_path):
    config_in(tmp_path)
    assert (tmp_path / ".tidegate" / ".gitignore").read_text() == "*\n"


def test_the_file_of_another_project_is_left_alone(tmp_path):
    (tmp_path / "queues.yaml").write_text("jobs: [theirs.jobs]\nqueues: {theirs: {}}\n")
    assert config_in(tmp_path) == tmp_path / ".tidegate" / "demo" / "queues.yaml"
    assert Settings.load(config_in(tmp_path), environ={}).jobs == ("tidegate.demo.jobs",)
