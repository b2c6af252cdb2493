"""How long the database is waited for: on every connection and for every statement of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field

from tidegate.settings.durations import Duration, format_duration
from tidegate.settings.group import Frozen
from tidegate.settings.words import Path

__all__ = ["DatabaseTimeouts", "longer_than_the_lease"]

WITHIN_A_LEASE: Final = ("connect", "statement")
"""What a heartbeat takes, too: where it may take longer than the lease, one that hangs costs the node its jobs."""


class DatabaseTimeouts(Frozen):
    """How long the database is waited for. Past each of these it counts as away, and what was asked is asked again later."""

    form: ClassVar[str] = "a mapping such as {statement: 5}"

    connect: Annotated[Duration, Field(ge=2, le=3600)] = 10.0
    """An attempt to connect, and the wait for a free connection of a pool; whole seconds. Not above `lease`."""
    statement: Annotated[Duration, Field(ge=0.1, le=3600)] = 10.0
    """A statement of the platform's own. So long after a claim without an answer its jobs are given back. Not above `lease`."""
    lock: Annotated[Duration, Field(ge=0.01, le=3600)] = 2.0
    """The wait of acks, claims and partitions for a row or a table that others have locked."""
    idle: Annotated[Duration, Field(ge=1, le=3600)] = 10.0
    """A node's own transaction in which nothing happens, as when the node is frozen: the server ends it, and its locks."""
    silence: Annotated[Duration, Field(ge=2, le=3600)] = 25.0
    """A machine that vanished: what was sent and nobody received, and a connection that does not answer TCP's probes."""
    application: Annotated[Duration, Field(le=86_400)] = 3600.0
    """A statement of your own through `ctx.connection` or `tide.engine`, where the role has no limit of its own; 0: none."""


def longer_than_the_lease(timeouts: DatabaseTimeouts, lease: float) -> Iterator[tuple[Path, str]]:
    """Yield the limits that were said and are longer than a lease."""
    for key in WITHIN_A_LEASE:
        seconds: float = getattr(timeouts, key)
        if key in timeouts.model_fields_set and seconds > lease:
            yield (
                ("database_timeouts", key),
                f"{format_duration(seconds)} is longer than the lease ({format_duration(lease)}), which a hanging heartbeat loses",
            )
