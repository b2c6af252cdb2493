"""What a job costs beside its own work, by executor: `python benchmarks/executors.py`.

One consumer runs no-op jobs one call after the other, through the runner as a node does it: arguments decoded from JSON, outcomes
settled into acks, no database. Beside it, in the same run and in turns, `concurrent.futures.ProcessPoolExecutor` with one process,
and the pool of celery's prefork (billiard, installed into build/celery): the same arguments through their pickles, a list for
a batch, no outcomes. Printed are microseconds per job, from call to answer, the median of several runs, and how much of the calling
process's CPU that took.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, cast

from ground import ROOT, Report, Size, machine, parser

from tidegate.handlers import Handlers
from tidegate.jobs import Job
from tidegate.runtime.executors import LoopExecutor, ThreadExecutor
from tidegate.runtime.processes.process_runner import ProcessRunner
from tidegate.runtime.processes.wire import Order
from tidegate.runtime.runner import Runner, Transactions
from tidegate.runtime.runs import Runs
from tidegate.runtime.settlement import Settlement
from tidegate.settings import Settings
from tidegate.supervision import DynamicSupervisor

BATCHES = (1, 10, 100)
JOBS = {1: 2_000, 10: 10_000, 100: 20_000}
MODULE = """
from dataclasses import dataclass
from tidegate import Job, job

@dataclass(frozen=True)
class Item:
    n: int

@job
def call_1(n: int) -> None: ...

@job
async def call_1_async(n: int) -> None: ...

@job(batch=10)
def call_10(jobs: list[Job[Item]]) -> None: ...

@job(batch=100)
def call_100(jobs: list[Job[Item]]) -> None: ...

@job(batch=10)
async def call_10_async(jobs: list[Job[Item]]) -> None: ...

@job(batch=100)
async def call_100_async(jobs: list[Job[Item]]) -> None: ...

def plain(n): ...

def plain_many(ns): ...
"""

Call = Callable[[int, list[int]], Awaitable[object]]
"""Has one batch of numbers run."""


def jobs_of(kind: str, numbers: list[int]) -> list[Job[bytes]]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Job(n, "bench", f"bench_jobs:{kind}", json.dumps({"kwargs": {"n": n}}).encode(), 1, None, 0, 1, n, at, at, 0.0)
        for n in numbers
    ]


def through(runner: Any, suffix: str = "") -> Call:
    async def call(batch: int, numbers: list[int]) -> None:
        reports = await runner.run(jobs_of(f"call_{batch}{suffix}", numbers), lambda: False)
        if [report.ack.word for report in reports] != ["done"] * batch:
            raise RuntimeError(reports)

    return call


def futures(pool: ProcessPoolExecutor) -> Call:
    bench_jobs = importlib.import_module("bench_jobs")  # written a moment ago

    async def call(batch: int, numbers: list[int]) -> None:
        loop = asyncio.get_running_loop()
        await (
            loop.run_in_executor(pool, bench_jobs.plain, numbers[0])
            if batch == 1
            else loop.run_in_executor(pool, bench_jobs.plain_many, numbers)
        )

    return call


def prefork(pool: Any) -> Call:
    bench_jobs = importlib.import_module("bench_jobs")

    async def call(batch: int, numbers: list[int]) -> None:
        work = (bench_jobs.plain, (numbers[0],)) if batch == 1 else (bench_jobs.plain_many, (numbers,))
        pool.apply_async(*work).get()

    return call


def celerys_pool(size: Size) -> Any:
    """Return a pool of one process as celery's prefork has it, installed where it is not there; None where that cannot be."""
    if importlib.util.find_spec("billiard") is None:
        folder = ROOT / "build" / "celery"
        if not folder.exists() and size is not Size.SMOKE:
            needed = Path(__file__).parent / "requirements-celery.txt"
            subprocess.run([sys.executable, "-m", "pip", "install", "-qq", "-r", str(needed), "--target", str(folder)], check=False)
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    if importlib.util.find_spec("billiard") is None:
        return None
    return importlib.import_module("billiard.pool").Pool(1)


async def measure(call: Call, batch: int, jobs: int) -> tuple[float, float]:
    """Return microseconds per job, of time and of this process's CPU."""
    begin, worked = time.perf_counter(), time.process_time()
    for first in range(0, jobs, batch):
        await call(batch, list(range(first, first + batch)))
    return (time.perf_counter() - begin) / jobs * 1e6, (time.process_time() - worked) / jobs * 1e6


async def compare(folder: Path, size: Size) -> dict[str, dict[int, tuple[float, float]]]:
    settings = Settings(jobs=("bench_jobs",), queues={"bench": {"executor": "process", "demand": {"max": 100}}})
    queue, handlers = settings.queue("bench"), Handlers(settings.jobs, path=folder)
    settlement = Settlement(queue, handlers, Random(0))
    threads = ThreadExecutor("bench", Runs(), spare=0)
    order = Order(
        queue.name, "bench", "", settings.jobs, str(folder), queue.timeout, queue.kill_after, queue.max_attempts, queue.backoff,
        queue.poison_after, queue.max_result, queue.memory, with_locals=False, seed=0,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(DynamicSupervisor(name="processes"))
        own = ProcessRunner(
            "bench", queue, order, handlers=handlers, settlement=settlement, processes=processes, runs=Runs(), emit=lambda _: None,
            rng=Random(0),
        )  # fmt: skip
        began = time.perf_counter()
        await own.start()
        print(f"a process is warm after {(time.perf_counter() - began) * 1e3:.0f} ms (fresh interpreter, imports)")
        none = cast("Transactions", None)  # no handler here asks for its context
        inline, threaded = (
            Runner(settlement, handlers, executor=executor, transactions=none, runs=Runs(), node="bench")
            for executor in (LoopExecutor(threads, Runs()), threads)
        )
        calls = {
            "async": through(inline, "_async"),
            "thread": through(threaded),
            "process": through(own),
            "process, async def": through(own, "_async"),
        }
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        calls["ProcessPoolExecutor"] = futures(pool)
        if (celerys := celerys_pool(size)) is not None:
            stack.callback(celerys.terminate)
            calls["celery's prefork pool"] = prefork(celerys)
        else:
            print("celery's prefork pool is left out: it is not installed (benchmarks/requirements-celery.txt)")
        for call in calls.values():
            await call(1, [0])
        found: dict[str, dict[int, list[tuple[float, float]]]] = {name: {batch: [] for batch in BATCHES} for name in calls}
        for _ in range(size.pick(7, 3, 1)):
            for name, call in calls.items():
                for batch in BATCHES:
                    found[name][batch].append(await measure(call, batch, JOBS[batch] // size.pick(1, 4, 50)))
        await own.stop()
        threads.close()
    return {
        name: {
            batch: (statistics.median(time for time, _ in turns), statistics.median(cpu for _, cpu in turns))
            for batch, turns in table.items()
        }
        for name, table in found.items()
    }


def main() -> None:
    asked = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_jobs.py").write_text(MODULE, "utf-8")
        sys.path.insert(0, name)
        os.environ["PYTHONPATH"] = os.pathsep.join([name, os.environ.get("PYTHONPATH", "")])  # for the other pools' processes
        print(f"{machine()}, median of {asked.size.pick(7, 3, 1)} runs in turns; us per no-op job")
        found = asyncio.run(compare(folder, asked.size))
    print(f"{'':<24}" + "".join(f"{f'batch {batch}':>12}{'CPU':>8}" for batch in BATCHES))
    report = Report(
        "executors", asked, {name: {str(batch): times for batch, times in table.items()} for name, table in found.items()}
    )
    report.write()
    for name, table in found.items():
        print(f"{name:<24}" + "".join(f"{table[batch][0]:>12.1f}{table[batch][1]:>8.1f}" for batch in BATCHES))


if __name__ == "__main__":
    main()
