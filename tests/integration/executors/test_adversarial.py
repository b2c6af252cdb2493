"""Twenty kinds of bad jobs and more among thousands of good ones, on every executor that can survive them.

Afterwards each good job was done exactly once, each bad one has its verdict, and the node is as it was: as many consumers, as many
descriptors, no zombie, no more memory.
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest

from tests.integration.executors.conftest import stand_with
from tests.support import bad_jobs as jobs
from tests.support import hostile_jobs as hostile
from tests.support.stand import Stand, until
from tidegate import Node
from tidegate.events import Event, Restarted

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

GOOD = 2_000
EACH = 2  # of every kind of bad job
CONSUMERS = 4

FAILURES = [
    (jobs.exits.call(3), "failed", "3"),
    (jobs.unserialisable.call(), "failed", r".*its result: "),
    (jobs.holds_itself.call(), "failed", r".*nested too deeply, or holds itself"),
    (jobs.returns_too_much.call(), "failed", r".*returned a result of 2097154 bytes; max_result is 1048576"),
    (jobs.raises_what_cannot_be_told.call(), "failed", r"<its __str__ raised ValueError>"),
    (jobs.says.call("dead"), "discarded", "hopeless"),
    (jobs.says.call("dead", returned=False), "discarded", "hopeless"),
    (jobs.interrupts.call(), "failed", "the handler raised KeyboardInterrupt|.*"),
    (hostile.exits_in_a_task.call(), "failed", "3"),
    (hostile.fails_in_a_group.call(), "failed", r"unhandled errors in a TaskGroup \(1 sub-exception\)$"),
    (hostile.interrupts_in_a_task.call(), "failed", ""),
    (hostile.dooms.call(), "failed", "a$"),
    (hostile.dooms_in_a_task.call(), "failed", "b$"),
    (hostile.closes_the_generator.call(), "failed", "c$"),
    (hostile.stops_the_iteration.call(), "failed", ".*d"),
    (hostile.cancels_itself.call(), "failed", ""),
    (hostile.awaits_a_cancelled_task.call(), "failed", ""),
    (hostile.never_stops_calling.call(), "failed", "maximum recursion depth exceeded"),
    (hostile.asks_for_the_impossible.call(), "failed", ""),
    (hostile.raises_what_dooms_its_reader.call(), "failed", ""),
    (hostile.raises_megabytes.call(), "failed", "xxxxx"),
    (hostile.raises_what_no_table_holds.call(), "failed", r"nul \\x00 and half a pair \\ud800"),
    (hostile.raises_in_a_circle.call(), "failed", "one$"),
    (hostile.returns_a_trap.call(), "failed", r".*its result: "),
    (hostile.returns_its_task.call(), "failed", r".*its result: "),
]
"""What any executor survives."""
STACK = ("crashed", r"its process was ended by SIGSEGV") if sys.version_info < (3, 12) else ("failed", "")
"""From 3.12 on Python counts recursion through C, too."""
LATE = "ran longer than its time-out of "
OF_PROCESSES = [
    *FAILURES,
    (jobs.segfaults.call(), "crashed", r"its process was ended by SIGSEGV"),
    (jobs.aborts.call(), "crashed", r"its process was ended by SIGABRT"),
    (jobs.exits_at_once.call(7), "crashed", r"its process ended with exit code 7"),
    (jobs.exits_at_once.call(0), "crashed", r"its process ended with exit code 0"),
    (jobs.kills_itself.call(), "crashed", r"its process was ended by SIGKILL \(Killed\), which its node did not send"),
    (jobs.kills_its_group.call(), "crashed", r"its process was ended by SIGKILL"),
    (jobs.asks_for_too_much.call(), "failed", "out of memory: "),
    (jobs.eats_memory.call(), "failed", "out of memory: "),
    (jobs.eats_memory_in_c.call(), "crashed", "out of memory: "),
    (jobs.overflows_the_stack.call(), *STACK),
    (jobs.loops.call(), "timed_out", LATE),
    (jobs.loops_async.call(), "timed_out", LATE),
    (jobs.loops_in_c.call(), "timed_out", LATE),
    (jobs.swallows_everything.call(), "timed_out", LATE),
    (jobs.swallows_cancellation.call(), "timed_out", LATE),
    (jobs.ignores_sigterm.call(), "timed_out", LATE),
    (jobs.has_a_tree_of_children.call(), "timed_out", LATE),
    (jobs.closes_descriptors.call(), "crashed", jobs.HANGS_UP),
    (jobs.scribbles_over_descriptors.call(), "crashed", "its process "),
]
WELL_ENDING = [
    jobs.leaves_a_child_behind.call(1),
    jobs.leaves_a_thread_behind.call(1),
    jobs.leaves_a_task_behind.call(1),
    jobs.forks.call(3),
    jobs.prints.call(5),
]
"""Bad manners that end well."""


POOLS = Counter({"socket": 5})
"""Database connections that pools open when they need them; one lost with every crash would be ten times as many."""


LOOP = Counter({"socket": 2, "anon_inode": 1})
"""What the loop of a thread holds."""


class Before:
    """What there is to lose, counted before the storm."""

    def __init__(self, node: Node) -> None:
        self.me = psutil.Process()
        self.node = node
        self.tasks = tasks()
        self.fds, self.threads, self.children = descriptors(), self.me.num_threads(), len(self.me.children())
        gc.collect()
        self.rss = self.me.memory_info().rss

    async def is_as_now(self, *, threads: int = 0, memory: int = 40 * 2**20) -> None:
        """Wait until everything is as it was; `threads` may be left behind."""
        managers = self.node.supervisor.managers
        await until(lambda: [each.size().alive for each in managers.values()] == [CONSUMERS, 1], what="the pools")
        await until(lambda: len(self.me.children()) == self.children, what="the processes")
        await until(lambda: not zombies(self.me), what="every child to be reaped")  # a server's own ended a moment ago, say
        await until(
            lambda: not descriptors() - self.fds - POOLS - Counter({kind: n * threads for kind, n in LOOP.items()}),
            what=f"no more descriptors than {self.fds}",
        )
        await until(lambda: self.me.num_threads() <= self.threads + threads, what="the threads")
        await until(lambda: not tasks() - self.tasks, what=f"no more tasks than {self.tasks}")
        gc.collect()
        assert self.me.memory_info().rss - self.rss < memory


def zombies(process: psutil.Process) -> list[int]:
    found = []
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found += [child.pid] if child.status() == psutil.STATUS_ZOMBIE else []
    return found


def tasks() -> Counter[str]:
    """Return how many tasks the loop has, by what they are called without their numbers."""
    return Counter(re.sub(r"\d+", "", task.get_name()) for task in asyncio.all_tasks())


def descriptors() -> Counter[str]:
    """Return how many descriptors this process has, by what they stand for."""
    found: Counter[str] = Counter()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of this very listing
            found[str(link.readlink()).partition(":[")[0]] += 1
    return found


def heavy(executor: str) -> str:
    limits = ", memory: 512MiB" if executor == "process" else ""
    return f"{{executor: {executor}, consumers: {CONSUMERS}{limits}}}"


async def storm(stand: Stand, bad: list[Any], well_ending: list[Any], good: list[Any]) -> None:
    """Enqueue it all in a random order, and hold each to what it should come to."""
    calls = [
        *((call, None) for call in good),
        *((call, None) for call in well_ending * EACH),
        *((each[0], each) for each in bad * EACH),
    ]
    Random(7).shuffle(calls)
    ids = await stand.tide.enqueue_many([call for call, _ in calls])
    await until(lambda: not stand.rows("SELECT id FROM tidegate.jobs LIMIT 1"), within=600, what="the queue to be empty")
    dead = {row["job_id"]: row for row in stand.rows("SELECT job_id, reason, attempts, error_message FROM tidegate.dead_letters")}
    wrong = []
    for job_id, (call, expected) in zip(ids, calls, strict=True):
        if expected is None:
            if job_id in dead:
                wrong.append((call, dead[job_id]["error_message"]))
            continue
        _, word, message = expected
        found = dead.get(job_id)
        words = found and [each["outcome"] for each in found["attempts"]]
        if not found or words != [word] or not re.match(message, found["error_message"], re.DOTALL):
            wrong.append((call.function, words, found and found["error_message"][:200]))
    assert wrong == []


def done_once(stand: Stand, numbers: range) -> None:
    counts = stand.counts()
    assert {n: counts[str(n)] for n in numbers if counts[str(n)] != 1} == {}


async def every_consumer_works(stand: Stand) -> None:
    """See that as many jobs run at once as there are consumers, whoever was lost before."""
    gone = stand.folder / "gone"
    ids = await stand.tide.enqueue_many([jobs.naps.call(str(gone)) for _ in range(CONSUMERS)])
    await until(lambda: stand.counts()["napping"] == CONSUMERS, what="all consumers at work")
    gone.touch()
    for job_id in ids:
        await stand.end(job_id)


async def test_processes_survive_whatever_a_job_may_do(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_with(database, tmp_path, heavy=heavy("process")) as stand, stand.node() as node:
        await until(lambda: [each.size().alive for each in node.supervisor.managers.values()] == [CONSUMERS, 1])
        for n in range(50):
            await stand.tide.enqueue(jobs.quiet, n)
        await until(lambda: not stand.rows("SELECT id FROM tidegate.jobs LIMIT 1"))
        before = Before(node)
        single = [jobs.good.call(n) if n % 2 else jobs.good_async.call(n) for n in range(GOOD)]
        batched = [jobs.batched.call(n=n, bad=n % 100 == 55) for n in range(GOOD, GOOD + 300)]
        killers = {n for n in range(GOOD, GOOD + 300) if n % 100 == 55}
        bad = [(call, "crashed", "its process ended with exit code 1") for call in batched if call.kwargs["bad"]]
        ids = await stand.tide.enqueue_many(batched)
        await storm(stand, OF_PROCESSES, WELL_ENDING, single)
        done_once(stand, range(GOOD))
        assert len(bad) == len(killers)
        dead = {row["job_id"] for row in stand.rows("SELECT job_id FROM tidegate.dead_letters")}
        assert {n for n, job_id in zip(range(GOOD, GOOD + 300), ids, strict=True) if job_id in dead} == killers
        assert {n for n in range(GOOD, GOOD + 300) if stand.counts()[str(n)] != 1} == killers
        await before.is_as_now()


IN_ONE_PROCESS = [
    *FAILURES,
    (hostile.says_it_was_cancelled.call(), "failed", ""),
    (jobs.ignores_sigterm.call(), "failed", "signal only works in main thread"),
    (jobs.sleeps_too_long.call(), "timed_out", LATE),
    (jobs.loops_async.call(), "timed_out", LATE),
    (hostile.computes_too_long.call(), "timed_out", LATE),
    (hostile.swallows_one_cancellation.call(), "timed_out", LATE),
    (hostile.is_late_with_an_error.call(), "timed_out", LATE),
    (hostile.never_returns.call(), "timed_out", LATE),
    (hostile.never_lets_itself_be_cancelled.call(), "timed_out", LATE),
]
IN_THREADS = [*IN_ONE_PROCESS, (hostile.stops_the_loop.call(), "failed", "Event loop stopped before Future completed")]
"""Their loop is their own. On the node's loop this is what nobody there survives."""
ENDING_BY_THEMSELVES = [
    hostile.keeps_everybody_waiting.call(),
    hostile.leaves_a_task_for_a_while.call(),
    hostile.leaves_a_failing_task.call(),
    hostile.leaves_a_thread_for_a_while.call(),
    jobs.runs_a_loop.call(7),
]
"""Bad manners that end well, and by themselves: in threads and on the loop nobody else ends anything."""


@pytest.fixture
def _released() -> Iterator[None]:
    """Let go, whatever comes, what never returns."""
    hostile.RELEASED.clear()
    yield
    hostile.RELEASED.set()
    hostile.TASKS.clear()


@pytest.mark.usefixtures("_released")
@pytest.mark.parametrize(("executor", "bad"), [("thread", IN_THREADS), ("async", IN_ONE_PROCESS)], ids=["thread", "async"])
async def test_threads_and_the_loop_survive_what_they_can(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str, bad: list[Any]
) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_with(database, tmp_path, heavy=heavy(executor)) as stand, stand.node() as node:
        await stand.end(await stand.tide.enqueue(jobs.quiet, 1))
        restarted: list[Event] = []
        node.events.subscribe(lambda event: restarted.append(event) if isinstance(event, Restarted) else None)
        before = Before(node)
        single = [jobs.good.call(n) if n % 2 else jobs.good_async.call(n) for n in range(GOOD)]
        await storm(stand, bad, ENDING_BY_THEMSELVES, single)
        done_once(stand, range(GOOD))
        assert restarted == [], "no bad job ended anything but its own attempt"
        assert node.supervisor.runs.abandoned("heavy") == 2 * EACH, "what never returns is in the books"
        await every_consumer_works(stand)
        hostile.RELEASED.set()
        await until(lambda: node.supervisor.runs.abandoned("heavy") == 0, what="what was abandoned to end")
        hostile.TASKS.clear()
        await before.is_as_now(threads=2 * CONSUMERS)  # those that were abandoned came back and are kept for the next


@pytest.mark.parametrize(("executor", "handler"), [("async", jobs.quiet_async), ("thread", jobs.quiet), ("process", jobs.quiet)])
async def test_the_memory_of_a_node_is_flat_over_fifty_thousand_jobs(
    database: str, tmp_path: Path, executor: str, handler: Any
) -> None:
    heavy = f"{{executor: {executor}, consumers: 2, demand: {{max: 50}}}}"
    async with stand_with(database, tmp_path, heavy=heavy) as stand, stand.node():
        me, seen = psutil.Process(), []
        for _ in range(10):
            await stand.tide.enqueue_many([handler.call(n) for n in range(5_000)])
            await until(lambda: not stand.rows("SELECT id FROM tidegate.jobs LIMIT 1"), within=120)
            gc.collect()
            seen.append(me.memory_info().rss)
    assert max(seen[5:]) - max(seen[:5]) < 10 * 2**20, [rss // 2**20 for rss in seen]
