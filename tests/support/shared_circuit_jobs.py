"""Kinds of two queues that use one relay. Files beside TRACE_FILE switch it: `down` lets it refuse, `hanging` lets it answer nobody."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.support.jobs import trace
from tidegate import constant, job


def is_there(switch: str) -> bool:
    return Path(os.environ["TRACE_FILE"]).with_name(switch).exists()


async def use_relay(word: str, n: int) -> None:
    trace(f"{word} {n}")
    while is_there("hanging"):  # noqa: ASYNC110 - the switch is a file, which other processes turn
        await asyncio.sleep(0.05)
    if is_there("down"):
        await asyncio.sleep(0.02)
        raise ConnectionRefusedError("the relay is down")


@job(queue="email", circuit="relay", max_attempts=100, backoff=constant(0.02))
async def letter(n: int) -> None:
    await use_relay("letter", n)


@job(queue="post", circuit="relay", max_attempts=100, backoff=constant(0.02))
async def postcard(n: int) -> None:
    await use_relay("postcard", n)


@job(queue="post", circuit=False)
async def parcel(n: int) -> None:
    trace(f"parcel {n}")
