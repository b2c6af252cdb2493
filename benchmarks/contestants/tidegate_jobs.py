"""The job of with_tidegate.py, in a module that the node imports."""

from __future__ import annotations

from stamp import stamp

from tidegate import job


@job(queue="email")
async def noop(sent: int) -> None:
    stamp(sent)
