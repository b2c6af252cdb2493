"""A consumer that inserts into a database, one transaction a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

from sqlalchemy import Executable, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from tidegate.stages.patterns.writing import BatchWriter
from tidegate.stages.subscription import StageRef, Subscription

__all__ = ["DatabaseWriter"]

In = TypeVar("In")


class DatabaseWriter(BatchWriter[In]):
    """Executes `statement` with a row for each event of a batch, and commits them together.

    `row(event)` makes the statement's parameters; without it an event is a mapping or a dataclass. An unreachable database is
    weather: the batch is written once it is back. Its commit may have happened although its answer was lost, so let the statement
    bear a second time (`ON CONFLICT DO NOTHING`).
    """

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        engine: AsyncEngine,
        statement: str | Executable,
        row: Callable[[In], Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*subscribe_to, retry_on=(OperationalError, InterfaceError, OSError, TimeoutError), **options)
        self._engine = engine
        self._statement = text(statement) if isinstance(statement, str) else statement
        self._row = row or _as_row

    async def write(self, events: Sequence[In]) -> None:
        """Write one batch in one transaction."""
        rows = [self._row(event) for event in events]
        async with self._engine.begin() as connection:
            await connection.execute(self._statement, rows)

    def is_weather(self, error: Exception) -> bool:
        """Tell whether the database was unreachable, rather than of another opinion."""
        return super().is_weather(error) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def _as_row(event: Any) -> Mapping[str, Any]:
    if is_dataclass(event) and not isinstance(event, type):
        return asdict(event)
    if isinstance(event, Mapping):
        return event
    raise TypeError(f"{type(event).__name__} is no row: give the DatabaseWriter a row= that makes one of it")
