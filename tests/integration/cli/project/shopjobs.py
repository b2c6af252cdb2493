"""The jobs of the command line's tests."""

import asyncio
import logging
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

from tidegate import Cancel, Dead, job

print("shopjobs is imported")  # a module that talks: it must not spoil anybody's JSON


@job(queue="email", max_attempts=5)
async def greet(name: str, polite: bool = True) -> str:
    return f"Good day, {name}." if polite else f"Hi {name}!"


@job(queue="email")
async def bill(day: date, total: Decimal, lines: list[int], note: str | None = None) -> dict[str, str]:
    return {"day": day.isoformat(), "total": str(total), "lines": repr(lines), "note": repr(note)}


@job(queue="email", max_attempts=2)
async def fail(message: str = "no luck") -> None:
    raise ValueError(message)


@job(queue="email")
async def give_up() -> None:
    raise Dead("not worth it")


@job(queue="email")
async def call_off() -> None:
    raise Cancel("changed our minds")


@job(queue="ml")
async def nap(seconds: float) -> str:
    Path("napping").touch()  # noqa: ASYNC240 - a test waits for it
    await asyncio.sleep(seconds)
    return "rested"


@job(queue="ml")
async def nap_until(file: str) -> None:
    Path("napping").touch()  # noqa: ASYNC240 - a test waits for it
    while not Path(file).exists():  # noqa: ASYNC110, ASYNC240 - a test makes it
        await asyncio.sleep(0.02)


@job(queue="slow")
def block(seconds: float) -> None:
    time.sleep(seconds)


async def hog(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - it blocks the node's loop, as some do


@job(queue="email", max_attempts=2, redact=["password"])
async def talk(password: str) -> None:
    logging.getLogger("shop").info("hello from a job with %s", password)
    raise ValueError("no luck")


@job(queue="slow")
def talk_in_a_thread() -> None:
    logging.getLogger("shop").info("hello from a thread")


def add(a: int, b: int) -> int:
    return a + b


@job(queue="email", redact=["shoe_size"])
async def sign_in(user: str, password: str, shoe_size: int = 0, note: str = "") -> dict[str, str]:
    return {"user": user, "token": "t-0815"}
