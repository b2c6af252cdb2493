"""What a running handler may ask about its own run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.errors import Refused
from tidegate.jobs import Job

__all__ = ["JobContext"]


class JobContext:
    """One run of one job, seen from inside; made by the node and given to the parameter that is annotated with it."""

    __slots__ = ("_cancelled", "_connection", "job")

    def __init__(self, job: Job[Any], *, connection: Callable[[], Any] | None = None, cancelled: Callable[[], bool]) -> None:
        self.job = job
        self._connection = connection
        self._cancelled = cancelled

    def __repr__(self) -> str:
        cancelled = " cancelled" if self.cancelled else ""
        return f"<JobContext job={self.job.id} kind={self.job.kind} attempt={self.attempt}{cancelled}>"

    @property
    def attempt(self) -> int:
        """The number of this attempt, 1 for the first."""
        return self.job.attempt

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for this run to end; once True it stays so."""
        return self._cancelled()

    @property
    def connection(self) -> Any:
        """The connection whose transaction commits together with this job's ack."""
        if self._connection is None:
            raise Refused(
                "this run has no ctx.connection",
                hint="a node gives one to the jobs that it claims; in a test, pass JobContext(job, connection=...)",
            )
        return self._connection()
