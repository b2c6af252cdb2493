"""What the async and the blocking client have in common: what they are made of, who hears what they enqueue, and their traces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tidegate.client.intake import Intake
from tidegate.events import Enqueued, Events, announce_all
from tidegate.jobs import NewJob
from tidegate.settings import Settings
from tidegate.spans import found
from tidegate.store.database import Database

if TYPE_CHECKING:
    from tidegate.spans.recorder import Recorder

__all__ = ["Client"]


class Client:
    """A client that is not connected to anything yet."""

    def __init__(self, settings: Settings, *, pool_size: int = 5, events: Events | None = None) -> None:
        self.settings = settings
        self.events = events or Events()
        self._own_events = events is None
        self._spans: Recorder | None = None
        self._intake = Intake(settings)
        self._database = Database(settings.database, folder=settings.folder, timeouts=settings.database_timeouts)
        self._pool_size = pool_size

    @property
    def _recorder(self) -> Recorder | None:
        """What records traces; looked for until there is one, for a program may set tracing up at any time."""
        if self._spans is None:
            self._spans = found(self.settings.tracing, database=self._database.conninfo)
        return self._spans

    def _announce(self, jobs: Iterable[NewJob]) -> None:
        announce_all((Enqueued(job.queue, job.kind) for job in jobs), self.events)
