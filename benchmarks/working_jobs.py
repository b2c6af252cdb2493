"""The jobs that working nodes are measured with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tidegate import Job, job


@dataclass(frozen=True)
class Item:
    n: int


@job
async def noop(n: int) -> None: ...


@job
async def a_millisecond(n: int) -> None:  # noqa: ARG001 - as all others
    await asyncio.sleep(0.001)


@job
def plain(n: int) -> None: ...


@job(batch=100)
def hundred(jobs: list[Job[Item]]) -> None: ...


@job(circuit="away")
async def held_back(n: int) -> None: ...
