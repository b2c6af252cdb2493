"""Jobs for the tests of the runtime: each does one thing that a job may do. TRACE_FILE names the file in which they leave their traces."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tidegate import Cancel, Dead, Done, Failed, Job, JobContext, Outcome, Retry, Snooze, Tidegate, constant, job


def trace(line: object) -> None:
    """Append one line; O_APPEND makes it whole, whoever else writes."""
    with open(os.environ["TRACE_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"{line}\n")


@job(queue="email")
async def note(n: int) -> None:
    trace(n)


@job(queue="email")
async def slow_note(n: int, seconds: float = 0.05) -> None:
    await asyncio.sleep(seconds)
    trace(n)


@job(queue="email")
async def long_note(n: int, seconds: float = 600.0) -> None:
    trace(f"start {n}")
    await asyncio.sleep(seconds)
    trace(f"end {n}")


@job(queue="email")
async def long_note_until(n: int, file: str) -> None:
    trace(f"start {n}")
    while not Path(file).exists():  # noqa: ASYNC110, ASYNC240 - a test makes it, in another process
        await asyncio.sleep(0.02)
    trace(f"end {n}")


@job(queue="email")
def blocking_note(n: int, seconds: float = 0.0) -> dict[str, int]:
    time.sleep(seconds)
    trace(n)
    return {"n": n}


@job(queue="email", max_attempts=3, backoff=constant(0.05))
async def fails_until(n: int, context: JobContext, good_from: int = 3) -> int:
    trace(f"{n}:{context.attempt}")
    if context.attempt < good_from:
        raise ValueError(f"not yet: attempt {context.attempt}")
    return n


@job(queue="email", max_attempts=2, backoff=constant(0.05), timeout=0.1)
async def hangs() -> None:
    await asyncio.sleep(600)


@job(queue="email")
async def ends_its_node() -> None:
    os._exit(1)


@job(queue="email", timeout=1.0)
async def blocks_the_loop(seconds: float) -> None:
    trace("block")
    time.sleep(seconds)  # noqa: ASYNC251 - what it is for
    trace("unblock")


@job(queue="email", max_attempts=1, timeout=0.1)
def hangs_in_a_thread() -> None:
    time.sleep(1)


@job(queue="email", max_attempts=3, on_error={KeyError: Dead("no such user"), TimeoutError: Snooze(0.05), OSError: constant(0.05)})
async def raises(what: str, context: JobContext) -> str:
    if context.job.lease > 1:
        return "then it went well"
    raise {"key": KeyError("u"), "timeout": TimeoutError("slow"), "os": OSError("gone"), "exit": SystemExit(3)}[what]


@job(queue="email", max_attempts=2)
async def says(word: str, context: JobContext, returned: bool = True) -> object:
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


@job(queue="email")
async def unstorable() -> object:
    return object()


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: str


@job(queue="email")
async def typed(day: date, money: Money, tags: set[str], blob: bytes) -> str:
    return f"{type(day).__name__} {type(money).__name__} {type(tags).__name__} {type(blob).__name__} {money.amount + 1}"


@job(queue="email")
async def inserts(n: int, context: JobContext, fail: bool = False) -> int:
    await context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    if fail and context.attempt == 1:
        raise ValueError("after the insert")
    return n


@job(queue="email")
def inserts_blocking(n: int, context: JobContext, fail: bool = False) -> int:
    context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    if fail and context.attempt == 1:
        raise ValueError("after the insert")
    return n


@job(queue="email", max_attempts=2, backoff=constant(0.05))
async def inserts_by_session(n: int, context: JobContext, fail: bool = False) -> int:
    async with AsyncSession(bind=await context.connection.start()) as session:
        await session.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
        await session.commit()
    if fail and context.attempt == 1:
        raise ValueError("after the session's commit")
    return n


@job(queue="email", max_attempts=2, backoff=constant(0.05))
def inserts_by_blocking_session(n: int, context: JobContext, fail: bool = False) -> int:
    with Session(bind=context.connection) as session:
        session.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
        session.commit()
    if fail and context.attempt == 1:
        raise ValueError("after the session's commit")
    return n


@job(queue="email")
async def inserts_slowly(n: int, context: JobContext, seconds: float) -> None:
    await context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (:n, :job)"), {"n": n, "job": context.job.id})
    trace(f"start {n}")
    await asyncio.sleep(seconds)


@job(queue="email")
async def waits_until_cancelled(how: str, context: JobContext) -> object:
    trace("started")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        trace(f"cancelled {context.cancelled}")
        match how:
            case "raises":
                raise ValueError("in the clean-up") from None
            case "returns":
                return "as if nothing had been"
            case "done":
                return Done("finished all the same")
            case "retry":
                return Retry(0)
            case "stubborn":
                while not os.path.exists(os.environ["TRACE_FILE"] + ".go"):  # noqa: ASYNC110, ASYNC240, PTH110
                    await asyncio.sleep(0.01)
                trace("ended after all")
            case _:
                raise
    return None


@job(queue="threads")
def looks_until_cancelled(how: str, context: JobContext) -> str:
    trace("started")
    while not (context.cancelled if how == "looks" else os.path.exists(os.environ["TRACE_FILE"] + ".go")):  # noqa: PTH110
        time.sleep(0.01)
    trace("saw it")
    return "returned"


@job(queue="threads")
async def sleeps_on_its_own_loop() -> None:
    trace("started")
    await asyncio.sleep(600)


@job(queue="email")
async def inserts_and_waits(context: JobContext) -> None:
    await context.connection.execute(text("INSERT INTO effects (n, job_id) VALUES (1, :job)"), {"job": context.job.id})
    trace("started")
    await asyncio.sleep(600)


@job(queue="analytics", batch=10)
async def waits_in_a_batch(jobs: list[Job], context: JobContext) -> None:  # type: ignore[type-arg]
    trace(f"started {len(jobs)}")
    go = os.environ["TRACE_FILE"] + ".go"
    while not os.path.exists(go):  # noqa: ASYNC110, ASYNC240, PTH110
        await asyncio.sleep(0.01)
    trace(f"done {context.cancelled}")


@job(queue="analytics", batch=10)
async def batched(jobs: list[Job[Money]]) -> None:
    trace(f"batch {len(jobs)} {sum(job.args.amount for job in jobs)}")


@job(queue="analytics", batch=10, max_attempts=1)
async def judged(jobs: list[Job]) -> dict[int, Outcome]:  # type: ignore[type-arg]
    return {job.id: Done(job.args["n"]) if job.args["n"] % 2 else Cancel("even") for job in jobs if job.args["n"] != 5}


@job(queue="analytics", batch=10, max_attempts=1)
async def batch_fails(jobs: list[Job]) -> None:  # type: ignore[type-arg]
    raise ValueError(f"all {len(jobs)} of them")


@job(queue="threads")
async def async_in_a_thread(n: int) -> int:
    await asyncio.sleep(0.01)
    return n


def plain(n: int, *, times: int = 2) -> int:
    return n * times


@job(queue="email")
async def enqueues_another(database: str, config: str) -> int:
    async with Tidegate.connect(database, config=config) as tide:
        return await tide.enqueue(note, 1)


@job(queue="threads")
def enqueues_another_blocking(database: str, config: str) -> int:
    with Tidegate.connect_sync(database, config=config) as tide:
        return tide.enqueue(note, 2)


@job(queue="email", max_attempts=1)
async def leaks(user: str, password: str) -> None:
    header = f"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{password}"
    body = {"user": user, "password": password, "again": password}
    try:
        raise ConnectionError(f"POST /login {body} {header}")
    except ConnectionError as error:
        raise PermissionError(f"{user} with {password} was refused") from error


@job(queue="threads")
def deadlocks_in_a_thread() -> None:
    lock = threading.Lock()
    lock.acquire()
    trace("locked")
    lock.acquire(timeout=300)


@job(queue="threads")
async def waits_on_its_threads_loop(n: int) -> None:
    trace(f"start {n}")
    await asyncio.sleep(600)


@job(queue="email")
async def waits_for_others() -> None:
    async def part(n: int) -> None:
        trace(f"part {n}")
        await asyncio.sleep(600)

    await asyncio.gather(part(1), part(2))


@job(queue="email", max_attempts=1)
async def speaks(words: str, *, fail: bool = False) -> None:
    """Print and log, here, in a task and in a thread."""
    print("printed", words)
    print("complained", words, file=sys.stderr)
    logging.getLogger("shop").warning("logged %s", words)
    await asyncio.gather(asyncio.to_thread(print, "in a thread", words))
    sys.stdout.writelines(["line by line\n"])
    if fail:
        raise ValueError("after words")


@job(queue="email", max_attempts=1)
def speaks_in_a_thread(words: str) -> None:
    print("printed", words, "\0")
    logging.getLogger("shop").warning("logged %s", words)


@job(queue="email", max_attempts=1)
async def speaks_without_end(kilobytes: int) -> None:
    for n in range(kilobytes):
        print(f"{n:<1023}")
