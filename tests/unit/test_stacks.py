"""What each running job is doing right now, seen from a thread."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.stand import until_async
from tests.unit.runs import run

from tidegate.runtime import stacks as module
from tidegate.runtime.executors import LoopExecutor, RunEnded, ThreadExecutor
from tidegate.runtime.places import InProcess, InTask, told
from tidegate.runtime.runs import CURRENT, Runs, note_place
from tidegate.runtime.stacks import Stacks


class Talking:
    """A process that says where it stands."""

    pid = 77

    def __init__(self, words):
        self.words = words

    def look(self):
        return True

    def seen(self, within):
        return self.words


async def seen(runs, **params):
    stacks = Stacks(runs, loop=asyncio.get_running_loop(), thread=threading.get_ident())
    with ThreadPoolExecutor(1) as asking:
        return await asyncio.get_running_loop().run_in_executor(asking, stacks, params)


async def test_a_run_that_is_nowhere_yet_is_left_out_and_one_that_has_ended_is_nowhere_any_more():
    runs = Runs()
    with runs.running(run(1)) as nowhere:
        assert (await seen(runs))["jobs"] == []
        note_place(InTask(None, 0))
        assert [each["job"] for each in (await seen(runs))["jobs"]] == [1]
    assert nowhere.places == []
    note_place(InTask(None, 0))  # by nobody's run
    assert (await seen(runs))["jobs"] == []


async def test_only_the_run_that_is_asked_for_is_looked_at_by_any_job_of_its_batch():
    runs = Runs()
    with runs.running(run(1, 2)), runs.running(run(3)) as other:
        other.places.append(InTask(None, 0))
        assert [each["job"] for each in (await seen(runs, job=3))["jobs"]] == [3]
        assert (await seen(runs, job=2))["jobs"] == []  # it is nowhere yet
        assert (await seen(runs, job=4))["jobs"] == []


async def test_what_is_told_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    monkeypatch.setattr(module, "LONGEST", 40)
    runs, many = Runs(), [run(number) for number in range(5)]
    for number, each in enumerate(many):
        each.places.append(InProcess(Talking("long words " * 10)))
        runs._by_job[number] = each
    answer = await seen(runs)
    assert (len(answer["jobs"]), answer["left_out"]) == (2, 3)
    assert all(each["stack"].startswith("[... cut ...]\n") and len(each["stack"]) < 60 for each in answer["jobs"])


async def test_a_handler_that_was_abandoned_over_its_time_out_is_a_thread_of_nobodys():
    runs, over = Runs(keeps_time=True), threading.Event()
    threads = ThreadExecutor("lone", runs, spare=1)
    late = run(1, started=asyncio.get_running_loop().time(), timeout=0.01, kill_after=0.01)
    try:
        with runs.running(late), pytest.raises(RunEnded):
            await threads.run(over.wait, is_async=False, run=late)

        async def waits():
            stacks = [thread["stack"] for thread in (await seen(Runs()))["threads"] if thread["name"] == "lone-1"]
            return any("in wait" in stack for stack in stacks)

        await until_async(waits)
    finally:
        over.set()
        threads.close()


async def test_a_thread_that_waits_for_a_call_is_not_told():
    threads = ThreadExecutor("idle", Runs(), spare=1)
    await threads.run(lambda: None, is_async=False, run=run(1))

    async def silent():
        return not [thread for thread in (await seen(Runs()))["threads"] if thread["name"].startswith("idle-")]

    await until_async(silent)  # it has told the loop a moment before it waits again
    threads.close()


async def test_each_coroutine_on_a_threads_loop_belongs_to_its_own_run():
    runs, found = Runs(), []
    threads = ThreadExecutor("loops", runs, spare=1)

    async def who():
        found.append(CURRENT.get().first.id)

    for number in (1, 2):
        with runs.running(run(number)) as each:
            await threads.run(who, is_async=True, run=each)
    threads.close()
    assert found == [1, 2]


async def test_a_task_that_executes_is_seen_in_its_thread():
    runs, found = Runs(), []

    def looks():
        with ThreadPoolExecutor(1) as asking:
            stacks = Stacks(runs, loop=asyncio.get_running_loop(), thread=threading.get_ident())
            found.append(asking.submit(stacks, {}).result())

    async def handler():
        task = asyncio.current_task()
        looks()
        found.append(InTask(task, threading.get_ident()).stack(0))

    executor = LoopExecutor(ThreadExecutor("none", runs, spare=1), runs)
    with runs.running(run(1)) as own:
        await executor.run(handler, is_async=True, run=own)
    answer, by_task = found
    [told_of] = answer["jobs"]
    assert (told_of["blocks_loop"], told_of["where"]) == (True, "thread of the event loop")
    assert "in handler" in told_of["stack"].splitlines()[0]
    assert "in handler" in by_task.splitlines()[0]
    assert "looks()" in answer["event_loop"]


async def part(over):
    await over.wait()


async def gathers(over):
    await asyncio.gather(part(over), part(over))


async def groups(over):
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(part(over))


async def waits(over):
    await asyncio.wait([asyncio.create_task(part(over)) for _ in range(2)])


async def awaits(over):
    await asyncio.create_task(part(over))


@pytest.mark.parametrize(("how", "parts"), [(gathers, 2), (groups, 2), (waits, 2), (awaits, 1), (part, 0)])
async def test_a_task_is_told_with_the_tasks_that_it_waits_for(how, parts):
    over = asyncio.Event()
    task = asyncio.create_task(how(over))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    told_of = InTask(task, 0).stack(0)
    assert (f"in {how.__name__}" in told_of.splitlines()[0], told_of.count("it waits for Task-")) == (True, parts)
    over.set()
    await task
    assert InTask(task, 0).stack(0) == ""


WORDS = """Thread 0x1 (most recent call first):
  File "/app/other.py", line 3 in helper
  File "/lib/threading.py", line 9 in run

Current thread 0x2 (most recent call first):
  File "/app/mine.py", line 7 in inner
  File "/app/mine.py", line 5 in handler
  File "/somewhere.py", line 1 in main

The coroutine waits (most recent call last):
  File "/app/mine.py", line 7, in inner
"""


def test_what_a_process_says_is_put_as_a_traceback():
    assert InProcess(Talking(WORDS)).stack(1.0) == (
        "Thread 0x1 (most recent call last):\n"
        '  File "/lib/threading.py", line 9, in run\n'
        '  File "/app/other.py", line 3, in helper\n'
        "\n"
        '  File "/somewhere.py", line 1, in main\n'
        '  File "/app/mine.py", line 5, in handler\n'
        '  File "/app/mine.py", line 7, in inner\n'
        "\n"
        "The coroutine waits (most recent call last):\n"
        '  File "/app/mine.py", line 7, in inner\n'
    )
    assert InProcess(Talking("")).stack(1.0) == ""


def test_nothing_is_told_as_nothing():
    assert told([]) == InTask(None, 0).stack(0) == ""
