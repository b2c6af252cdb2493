"""`tidegate workers stacks`: what each running job of a real node does right now, seen from another process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.shop import Shop
from tests.integration.cli.test_workers import walk
from tests.support.jobs import blocks_the_loop
from tests.support.postgres import Server
from tests.support.processes import NodeProcess
from tidegate import Tidegate

QUEUES = """\
jobs: [tests.support.jobs, tests.support.bad_jobs]
poll: 0.2
defaults: {max_attempts: 1, timeout: 120, kill_after: 60}
queues:
  email: {consumers: 10}
  analytics: {consumers: 1}
  threads: {executor: thread, consumers: 4}
  heavy: {executor: process, consumers: 1}
  batches: {consumers: 1}
"""


class Yard(Shop):
    """A running node, its jobs and the traces that they leave."""

    node: str

    def enqueue(self, kind: str, *args: Any) -> int:
        with Tidegate.connect_sync(self.database, config=self.folder / "queues.yaml") as tide:
            return tide.enqueue(f"tests.support.{kind}", *args)

    def traced(self, words: str) -> None:
        trace = self.folder / "trace"
        self.until(lambda: trace.exists() and words in trace.read_text("utf-8"), what=words)

    def stacks(self, job: int, having: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the node answers about one job, in all and about the job, once its stack has those words and its loop has time."""

        def told() -> tuple[dict[str, Any], dict[str, Any]] | None:
            said = self.run("workers", "stacks", self.node, str(job), "--json", "--timeout", "60")
            if said.exit_code:
                return None
            answer = json.loads(said.stdout)
            [run] = answer["jobs"]
            return (answer, run) if answer["loop"] == "running" and run["stack"] and having in run["stack"] else None

        answer: tuple[dict[str, Any], dict[str, Any]] = self.until(told, what=f"job {job} to be seen")
        return answer


@pytest.fixture(scope="module")
def yard(servers: Callable[[str], tuple[Server, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    server, template = servers("embedded")
    database, folder = server.create_database(template), tmp_path_factory.mktemp("stacks")
    (folder / "queues.yaml").write_text(QUEUES, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEGATE_DATABASE", database)
        patch.chdir(folder)
        with NodeProcess(database, folder, "--queues", "email,threads,heavy") as node:
            yard = Yard(folder, database)
            yard.node = node.node()
            yield yard
    server.drop_database(database)


def test_a_coroutine_that_waits_is_shown_where_it_waits(yard: Yard) -> None:
    job = yard.enqueue("jobs:long_note", 1)
    yard.traced("start 1")
    answer, run = yard.stacks(job)
    assert (answer["node"], answer["loop"], answer["left_out"]) == (yard.node, "running", 0)
    assert (run["job"], run["queue"], run["kind"], run["attempt"]) == (job, "email", "tests.support.jobs:long_note", 1)
    assert (run["where"], run["blocks_loop"], run["jobs"]) == ("coroutine", False, [job])
    assert 0 < run["age"] < 120 < run["age"] + run["deadline_in"] + 1
    lines = run["stack"].splitlines()
    assert "in long_note" in lines[0]
    assert lines[1].strip() == "await asyncio.sleep(seconds)"
    assert "/runtime/" not in run["stack"]


def test_a_coroutine_that_waits_for_others_is_shown_with_them(yard: Yard) -> None:
    job = yard.enqueue("jobs:waits_for_others")
    yard.traced("part 2")
    _, run = yard.stacks(job)
    assert "await asyncio.gather(part(1), part(2))" in run["stack"]
    assert run["stack"].count("it waits for ") == 2
    assert run["stack"].count("in part") == 2


def test_a_deadlocked_thread_is_shown_at_the_lock(yard: Yard) -> None:
    job = yard.enqueue("jobs:deadlocks_in_a_thread")
    yard.traced("locked")
    _, run = yard.stacks(job)
    assert run["where"].startswith("thread threads-")
    assert run["stack"].splitlines()[-1].strip() == "lock.acquire(timeout=300)"
    assert "/runtime/" not in run["stack"]


def test_a_coroutine_on_a_threads_own_loop_is_shown_where_it_waits(yard: Yard) -> None:
    for n in (7, 8):
        job = yard.enqueue("jobs:waits_on_its_threads_loop", n)
        yard.traced(f"start {n}")
        _, run = yard.stacks(job)
        assert (run["job"], run["where"]) == (job, "coroutine")
        assert "await asyncio.sleep(600)" in run["stack"]


def test_a_process_that_loops_for_ever_is_shown_and_goes_on_as_if_nothing_had_been(yard: Yard) -> None:
    over = yard.folder / "spun enough"
    job = yard.enqueue("bad_jobs:spins", str(over))
    yard.traced("spinning")
    _, run = yard.stacks(job)
    assert run["where"].startswith("process ")
    assert "in spins" in run["stack"]
    assert "/runtime/" not in run["stack"]
    for _ in range(5):
        yard.stacks(job)
    [told] = [each for each in yard.json("workers", "show", yard.node)["jobs"] if each["job"] == job]
    assert told["rss"] > 2**20
    assert told["cpu_seconds"] > 0
    over.touch()
    yard.until(lambda: yard.state(job) == "completed")
    idle = yard.json("workers", "show", yard.node)
    [process] = [each for each in walk(idle["tree"]) if str(each["detail"].get("target")).endswith("inside:main")]
    assert process["detail"]["rss"] > 2**20
    assert process["detail"]["cpu_seconds"] > 0
    assert re.search(r"memory \d+ MiB, CPU \d", yard.run("workers", "show", yard.node).stdout)


def test_a_coroutine_in_a_process_is_shown_where_it_waits(yard: Yard) -> None:
    over = yard.folder / "napped enough"
    job = yard.enqueue("bad_jobs:naps", str(over))
    yard.traced("napping")
    _, run = yard.stacks(job, having="await asyncio.sleep(0.05)")
    assert "The coroutine waits" in run["stack"]
    over.touch()
    yard.until(lambda: yard.state(job) == "completed")


def test_every_running_job_is_printed_with_its_stack_and_a_job_that_does_not_run_is_not_found(yard: Yard) -> None:
    job = yard.enqueue("jobs:long_note", 99)
    yard.traced("start 99")
    printed = yard.run("workers", "stacks", yard.node[:-2])
    assert printed.exit_code == 0
    assert f"job {job}, tests.support.jobs:long_note, queue email, attempt 1\n  runs for " in printed.stdout
    assert "      await asyncio.sleep(seconds)" in printed.stdout
    said = yard.run("workers", "stacks", yard.node, "999999")
    assert (said.exit_code, said.stdout) == (3, "")
    assert f"error: job 999999 does not run on {yard.node} now" in said.stderr
    assert yard.run("workers", "stacks", "nobody").exit_code == 3
    said = yard.run("workers", "stacks", yard.node, "first")
    assert (said.exit_code, said.stderr.splitlines()[0]) == (
        2,
        "error: 'first' is not the id of a job, which is a number such as 42",
    )


def test_a_job_that_blocks_the_event_loop_is_shown_while_it_does(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "queues.yaml").write_text(QUEUES, "utf-8")
    with NodeProcess(yard.database, tmp_path, "--queues", "analytics") as blocked:
        name = blocked.node()
        printed = yard.run("workers", "stacks", name)
        assert (printed.stdout, printed.stderr) == ("", f"no job runs on {name}\n")
        with Tidegate.connect_sync(yard.database, config=yard.folder / "queues.yaml") as tide:
            job = tide.enqueue(blocks_the_loop.call(60.0).options(queue="analytics"))
        yard.until((tmp_path / "trace").exists)
        answer = yard.json("workers", "stacks", name, str(job))
        [run] = answer["jobs"]
        assert (answer["loop"], run["blocks_loop"], run["where"]) == ("blocked", True, "thread of the event loop")
        assert run["stack"].splitlines()[-1].strip().startswith("time.sleep(seconds)")
        assert "/runtime/" not in run["stack"]
        printed = yard.run("workers", "stacks", name)
        drained = yard.run("workers", "drain", name)
    assert f"{name} drains: 1 job may run on" in drained.stderr
    assert "its event loop is blocked, so that it begins once that has ended" in drained.stderr
    assert printed.stdout.startswith("the event loop is BLOCKED:\n")
    assert printed.stdout.count("time.sleep(seconds)") == 2
