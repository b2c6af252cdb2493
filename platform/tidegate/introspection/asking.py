"""Which refusals of the database a person who looks or intervenes is told, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import errors as pg

from tidegate.errors import DatabaseError, DatabaseUnreachable, MigrationNeeded
from tidegate.store.weather import calling

__all__ = ["NoPartition", "asking"]


class NoPartition(DatabaseError):
    """There is no room for jobs that end today: no node has run for a week."""


@contextmanager
def asking(operation: str) -> Iterator[None]:
    """Turn what the database refuses into an error of ours; what no person can answer goes through as it is."""
    try:
        with calling(operation):
            yield
    except DatabaseUnreachable as error:
        if not isinstance(error.__cause__, pg.QueryCanceled):
            raise
        raise DatabaseError(
            f"{operation}: the database needed longer than a statement may take",
            hint="ask for less (one queue, one kind, one state, a smaller limit), or allow more: database_timeouts.statement",
        ) from error
    except pg.Error as error:
        raise _translated(operation, error) from error


def _translated(operation: str, error: pg.Error) -> Exception:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    match error:
        case pg.CheckViolation() if "no partition of relation" in said:
            return NoPartition(f"{operation}: {said}", hint="`tidegate db migrate` makes room for the coming days")
        case pg.InsufficientPrivilege():
            return DatabaseError(f"{operation}: {said}", hint="`tidegate db roles` prints what a role needs")
        case pg.UndefinedTable() | pg.UndefinedColumn() | pg.InvalidSchemaName():
            return MigrationNeeded(f"{operation}: {said}", hint="run: tidegate db migrate")
        case _:
            return error
