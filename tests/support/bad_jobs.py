"""Jobs that behave as badly as jobs can, and good ones to run beside them. Each says what it does; none says what becomes of it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from sqlalchemy import text

from tests.support.jobs import trace
from tidegate import Cancel, Dead, Done, Failed, Job, JobContext, Outcome, Retry, Snooze, Tidegate, constant, job

LEAK: list[bytes] = []
KIDS: list[subprocess.Popen[bytes]] = []


@job(queue="heavy")
def good(n: int) -> int:
    trace(n)
    return n


@job(queue="heavy")
def quiet(n: int) -> None:
    """Do nothing."""


@job(queue="heavy")
async def quiet_async(n: int) -> None:
    """Do nothing."""


@job(queue="heavy", max_attempts=1, timeout=0.2)
def sleeps_too_long() -> None:
    time.sleep(1.0)


@job(queue="heavy")
async def good_async(n: int) -> int:
    await asyncio.sleep(0)
    trace(n)
    return n


@job(queue="heavy")
def size_of(text: str) -> int:
    return len(text)


@job(queue="heavy")
def of_size(size: int) -> str:
    return "x" * size


@job(queue="heavy")
def whoami() -> list[int]:
    return [os.getpid(), os.getsid(0), int(threading.get_ident() == threading.main_thread().ident)]


@job(queue="heavy")
async def loop_of() -> list[str]:
    return [cls.__module__.split(".")[0] for cls in type(asyncio.get_running_loop()).__mro__]


@job(queue="heavy")
def runs_a_loop(n: int) -> int:
    async def inner() -> int:
        await asyncio.sleep(0)
        return n

    return asyncio.run(inner())


@job(queue="heavy")
def sleeps(n: int, seconds: float = 600.0) -> None:
    trace(f"start {n} {os.getpid()}")
    time.sleep(seconds)
    trace(f"end {n}")


@job(queue="heavy", max_attempts=1)
def segfaults() -> None:
    print("about to fall")
    print("falling", file=sys.stderr)
    ctypes.string_at(0)


@job(queue="heavy", max_attempts=1)
def aborts() -> None:
    os.abort()


@job(queue="heavy", max_attempts=1)
def exits_at_once(code: int = 3) -> None:
    os._exit(code)


@job(queue="heavy", max_attempts=1)
def exits(code: int = 3) -> None:
    sys.exit(code)


@job(queue="heavy", max_attempts=1)
def kills_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@job(queue="heavy", max_attempts=1)
def kills_its_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


@job(queue="heavy", max_attempts=1)
def interrupts() -> None:
    raise KeyboardInterrupt


@job(queue="heavy", max_attempts=1)
def eats_memory() -> int:
    eaten = []
    while True:
        eaten.append(bytearray(16 * 2**20))


@job(queue="heavy", max_attempts=1)
def asks_for_too_much() -> int:
    return len(bytearray(2**40))


@job(queue="heavy", max_attempts=1)
def eats_memory_in_c() -> None:
    """As C++ does where an allocation fails: say so and abort."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    if libc.malloc(2**33) is None:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
        os.abort()


@job(queue="heavy", max_attempts=1, timeout=0.5)
def loops() -> None:
    while True:
        pass


@job(queue="heavy", max_attempts=1, timeout=0.5)
async def loops_async() -> None:
    while True:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@job(queue="heavy", max_attempts=1, timeout=0.5)
def loops_in_c() -> None:
    sys.setswitchinterval(1000)
    re.match(r"(a+)+$", "a" * 60 + "b")


@job(queue="heavy", max_attempts=1, timeout=0.5)
def swallows_everything() -> None:
    while True:
        try:
            time.sleep(600)
        except BaseException:  # noqa: BLE001
            continue


@job(queue="heavy", max_attempts=1, timeout=0.5)
def ignores_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


@job(queue="heavy", max_attempts=1, timeout=0.5)
async def swallows_cancellation() -> None:
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            continue


@job(queue="heavy", max_attempts=1, timeout=0.5)
def tidies_up(n: int) -> None:
    try:
        time.sleep(600)
    finally:
        trace(f"tidied {n}")


@job(queue="heavy", max_attempts=1, timeout=0.3)
async def is_late(how: str) -> object:
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        return said_late(how)


@job(queue="heavy", max_attempts=1, timeout=0.3)
def is_late_on_the_main_thread(how: str) -> object:
    try:
        time.sleep(600)
    except BaseException:  # noqa: BLE001
        return said_late(how)


def said_late(how: str) -> object:
    match how:
        case "done":
            return Done("finished all the same")
        case "dead":
            raise Dead("hopeless")
        case _:
            return "as if nothing had been"


@job(queue="heavy", max_attempts=1, timeout=4.0)  # four bare interpreters are started within it
def has_a_tree_of_children(depth: int = 3) -> None:
    script = "import subprocess, sys, time; n = int(sys.argv[1]); n and subprocess.Popen([sys.executable, '-ISc', sys.argv[2], str(n - 1), sys.argv[2]]); print(__import__('os').getpid(), flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-ISc", script, str(depth), script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(depth + 1):
        trace(f"child {int(child.stdout.readline())}")
    time.sleep(600)


@job(queue="heavy")
def leaks(megabytes: int) -> None:
    LEAK.append(b"x" * (megabytes * 2**20))


@job(queue="heavy")
def leaves_a_child_behind(n: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    KIDS.append(child)
    trace(f"child {child.pid}")


@job(queue="heavy")
def leaves_a_thread_behind(n: int) -> None:
    threading.Thread(target=time.sleep, args=(600,)).start()


@job(queue="heavy")
async def leaves_a_task_behind(n: int) -> None:
    gc.freeze()
    asyncio.get_running_loop().create_task(asyncio.sleep(600))


@job(queue="heavy")
def forks(n: int) -> int:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(abs, [-n, n]))


@job(queue="heavy", max_attempts=1)
def unserialisable() -> object:
    return object()


@job(queue="heavy", max_attempts=1)
def holds_itself() -> list[object]:
    itself: list[object] = []
    itself.append(itself)
    return itself


@job(queue="heavy", max_attempts=1)
def returns_too_much() -> str:
    return "x" * 2**21


HANGS_UP = r"its process (closed the channel to its node|was ended by SIGKILL)"
"""Its node sees the channel closed, or its process, which has lost its lifeline as well, ends itself first."""


@job(queue="heavy", max_attempts=1)
def closes_descriptors() -> None:
    os.closerange(0, 256)


@job(queue="heavy", max_attempts=1)
def scribbles_over_descriptors() -> None:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\x00\x00\x00\x02{}")
        except OSError:
            continue
    time.sleep(600)


@job(queue="heavy")
def prints(megabytes: int) -> None:
    for _ in range(megabytes * 1024):
        print("x" * 1023)


@job(queue="heavy")
def speaks(words: str) -> None:
    print("out", words)
    print("err", words, file=sys.stderr)
    os.write(1, b"from below\n")
    subprocess.run(["sh", "-c", "echo from a child"], check=True)
    logging.getLogger("shop").warning("logged %s", words)


@job(queue="heavy", max_attempts=1)
def overflows_the_stack() -> None:
    sys.setrecursionlimit(10**9)
    repr(Endless())


class Endless:
    def __repr__(self) -> str:
        return repr(self)


class Nasty(Exception):
    def __str__(self) -> str:
        raise ValueError("not even this")


@job(queue="heavy", max_attempts=1)
def raises_what_cannot_be_told() -> None:
    raise Nasty


@job(queue="heavy", max_attempts=3, on_error={KeyError: Dead("no such user"), TimeoutError: Snooze(0.05), OSError: constant(0.05)})
def raises(what: str, context: JobContext) -> str:
    if context.job.lease > 1:
        return "then it went well"
    raise {"key": KeyError("ü\x00\ud800"), "timeout": TimeoutError("slow"), "os": OSError("gone")}[what]


@job(queue="heavy", max_attempts=2)
def says(word: str, context: JobContext, returned: bool = True) -> object:
    if context.job.lease > 1:
        return "then it went well"
    outcome: Outcome = {
        "done": Done("as an outcome"),
        "failed": Failed("no luck"),
        "retry": Retry(delay=0.05, reason="later"),
        "snooze": Snooze(0.05),
        "cancel": Cancel("not needed"),
        "dead": Dead("hopeless"),
    }[word]
    if returned:
        return outcome
    raise outcome  # type: ignore[misc]


@job(queue="heavy")
def sees(context: JobContext) -> dict[str, object]:
    job = context.job
    return {
        "id": job.id,
        "kind": job.kind,
        "queue": job.queue,
        "attempt": job.attempt,
        "lease": job.lease,
        "priority": job.priority,
        "meta": dict(job.meta),
        "enqueued_at": job.enqueued_at.isoformat(),
        "zone": str(job.run_at.utcoffset()),
    }


@job(queue="heavy")
async def inserts(n: int, context: JobContext, fail: bool = False) -> int:
    await context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    if fail and context.attempt == 1:
        raise ValueError("after the insert")
    return n


@job(queue="heavy")
def inserts_and_gives_up(n: int, context: JobContext) -> Outcome:
    context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    return Dead("not worth more")


@job(queue="heavy")
def inserts_blocking(n: int, context: JobContext, fail: bool = False) -> int:
    context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    if fail and context.attempt == 1:
        raise ValueError("after the insert")
    return n


@job(queue="heavy", max_attempts=2)
def inserts_slowly(n: int, context: JobContext, seconds: float) -> None:
    context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    trace(f"start {n}")
    time.sleep(seconds)


@job(queue="heavy", max_attempts=1, timeout=0.5)
def inserts_too_slowly(n: int, context: JobContext) -> None:
    context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    time.sleep(600)


@job(queue="heavy", max_attempts=2)
def inserts_and_dies(n: int, context: JobContext) -> None:
    context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    if context.attempt == 1:
        os._exit(9)


@job(queue="heavy")
def enqueues(database: str, config: str) -> None:
    with Tidegate.connect_sync(database, config=config) as tide:
        tide.enqueue(good, 1)


@job(queue="heavy")
def watches(n: int, context: JobContext) -> str:
    trace(f"start {n}")
    while not context.cancelled:
        time.sleep(0.01)
    return "saw it"


@job(queue="heavy")
async def waits(n: int, how: str = "plain") -> object:
    trace(f"start {n}")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        match how:
            case "returns":
                return "as if nothing had been"
            case "done":
                return Done("finished all the same")
            case _:
                raise
    return None


@dataclass(frozen=True)
class Item:
    n: int
    bad: bool = False


@job(queue="batches", batch=10, max_attempts=1, backoff=constant(0.05))
def batched(jobs: list[Job[Item]]) -> dict[int, Outcome]:
    trace(f"batch {len(jobs)}")
    for each in jobs:
        if each.args.bad:
            os._exit(1)
    for each in jobs:
        trace(each.args.n)
    return {each.id: Done(each.args.n) for each in jobs}


@job(queue="heavy")
def spins(until: str) -> None:
    """Be busy until that file is there."""
    trace("spinning")
    while not os.path.exists(until):  # noqa: PTH110
        pass


@job(queue="heavy")
async def naps(until: str) -> None:
    """Sleep until that file is there."""
    trace("napping")
    while not os.path.exists(until):  # noqa: ASYNC110, ASYNC240, PTH110
        await asyncio.sleep(0.05)
