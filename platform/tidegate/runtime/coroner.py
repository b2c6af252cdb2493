"""What whoever lets a job die asks of the one who tells what was true then; `forensics` is the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tidegate.jobs import Job
from tidegate.spans import ids_now

__all__ = ["Coroner", "Findings", "trace_id_of"]

Findings = Callable[[str], Mapping[str, Any]]
"""The forensics of a job, by its kind."""


class Coroner(Protocol):
    """Tells what was true at a death. It never raises, and takes no longer than it takes to look at the queues once."""

    async def examine(self, job: Job[bytes], facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the forensics of a job that is about to die here; `facts` are what its queue knows of it."""

    async def elsewhere(self, why: str, *, node: str | None = None) -> Findings:
        """Return what tells the forensics of jobs that did not die here; `why` says why nothing is known of their machine."""


def trace_id_of(meta: Mapping[str, Any]) -> str | None:
    """Return the trace of the attempt under way, else that in which the job was enqueued, recorded or not."""
    if (current := ids_now()) is not None:
        return current[0]
    parent = meta.get("traceparent")
    parts = parent.split("-") if isinstance(parent, str) else []
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None
