"""What a consumer's process can tell of a death that it commits itself, inside the transaction of `ctx.connection`.

It sees the machine and itself. Depths, pools and recent errors are the node's to know, which hears of this death only when it has
happened; `unavailable` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tidegate.jobs import Job
from tidegate.runtime.coroner import Findings, trace_id_of

if TYPE_CHECKING:
    from tidegate.runtime.surroundings import Reading, Surroundings

__all__ = ["InsideCoroner"]

logger = logging.getLogger("tidegate.forensics")

UNSEEN: Final = "the job's own process committed its death, and does not see this"


class InsideCoroner:
    """See `Coroner`; waits for nothing."""

    def __init__(self, *, node: str, versions: Mapping[str, str | None]) -> None:
        self._node = node
        self._versions = dict(versions)
        self._surroundings: Surroundings | None = None

    async def examine(self, job: Job[bytes], facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Coroner.examine`."""
        missing = dict.fromkeys(("queue_depths", "pools", "circuit", "recent_errors", "system.cpu_percent"), UNSEEN)
        found: dict[str, Any] = {
            "system": None, "process": None, "queue_depths": None, "pools": None, "circuit": None, "recent_errors": [],
            "node": self._node, "versions": self._versions or None, "trace_id": trace_id_of(job.meta), "unavailable": missing,
        }  # fmt: skip
        try:
            reading = self._read()
        except Exception as error:
            logger.exception("the forensics of job %d could not be collected", job.id)
            missing["system"] = missing["process"] = type(error).__name__
            return {**found, **facts}
        missing.update(reading.missing)
        return {**found, "system": {**reading.system, "cpu_percent": None}, "process": reading.process, **facts}

    def _read(self) -> Reading:
        from tidegate.runtime.surroundings import Surroundings  # noqa: PLC0415 - psutil costs what most processes never need

        if self._surroundings is None:
            self._surroundings = Surroundings()
        return self._surroundings.read()

    async def elsewhere(self, why: str, *, node: str | None = None) -> Findings:
        """See `Coroner.elsewhere`; a process buries nobody else's jobs."""
        return lambda _kind: {"node": node, "unavailable": {"forensics": why}}
