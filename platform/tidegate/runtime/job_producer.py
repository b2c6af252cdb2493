"""The stage that stands between a queue's session and its consumers.

It never waits for the database: demand only adds to what the session owes, and the session casts what it claimed. What cannot be
delivered goes back to the session, which releases it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegate.jobs import Job
from tidegate.runtime.queue_session import QueueSession
from tidegate.stages import Producer, Why

__all__ = ["JobProducer"]


class JobProducer(Producer[Job[bytes]]):
    """A queue's producer of claimed jobs."""

    def __init__(self, session: QueueSession) -> None:
        super().__init__(buffer_size=0)  # what nobody waits for any more goes back: another node may have somebody who does
        self._session = session

    def __repr__(self) -> str:
        return f"<JobProducer {self._session.queue} buffered={self.buffered}>"

    def describe(self) -> Mapping[str, object]:
        """Return the stage's state for introspection."""
        return {**super().describe(), "name": f"{self._session.queue}.producer"}

    async def init(self) -> None:
        """Take the session's deliveries from here on."""
        self._session.serve(self.cast)

    async def handle_demand(self, demand: int) -> Sequence[Job[bytes]]:
        """Owe it; the session claims."""
        self._session.owe(demand)
        return ()

    async def handle_retract(self, demand: int) -> None:
        """Owe less: consumers took demand back."""
        self._session.owe(-demand)

    def format_discarded(self, count: int) -> bool:  # noqa: ARG002 - however many
        """Say nothing: what no consumer waits for is given back."""
        return False

    async def handle_cast(self, request: list[Job[bytes]]) -> None:
        """Emit what the session claimed."""
        self.emit(request)

    def on_dropped(self, request: list[Job[bytes]]) -> None:
        """Give back a delivery that came when the producer was ending."""
        self._session.release(request, "its producer ended")

    def on_undelivered(self, events: Sequence[Job[bytes]], why: Why) -> None:
        """Give back what no consumer will run."""
        self._session.release(events, why)
