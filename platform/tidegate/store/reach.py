"""A breaker of the node's own, that guards the database itself: whoever would connect to one that is away fails at once.

The fleet's circuits stand in the database and can say nothing of it. So each node has one `Circuit` in its memory: after `ROW`
attempts to connect in a row that failed, further ones are refused without asking, but for one at a time, each time a second or so
has passed. The first that gets through ends it. So a database that comes back is met by one connection a node instead of by a
storm of them, and is found within two seconds of its return.

It stands at the opening of connections: what has one uses it, and hears by itself when it is lost. Not behind it: enqueueing,
which is never refused for what happened to others; the heartbeat and the listener, one connection each with a pace of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import psycopg

from tidegate.circuit import Circuit, CircuitConfig
from tidegate.errors import DatabaseUnreachable
from tidegate.plurals import noun
from tidegate.store.weather import is_weather

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["ROW", "Reach"]

logger = logging.getLogger("tidegate.database")

ROW: Final = 5  # attempts that failed with none between them that did not: one alone may be the death of a backend
NUMBERS: Final = CircuitConfig(
    window="count", window_size=ROW, failure_rate=None, consecutive=ROW, open_for=0.5, open_cap=1.0, probes=1, needed=1
)  # fmt: skip


class Reach:
    """Whether the database is to be connected to, as this process has found. Safe to share between threads."""

    def __init__(
        self, *, attempt: float = 10.0, clock: Callable[[], float] = time.monotonic, rng: Callable[[], float] | None = None
    ) -> None:
        self.refused = 0
        """How many attempts were refused without asking the database."""
        self._clock = clock
        self._lock = threading.Lock()
        numbers = replace(NUMBERS, probe_lease=attempt * 1.5)  # longer than any attempt to connect takes
        self._circuit = Circuit(numbers, rng=rng or Random().random)
        self._since: float | None = None

    def __repr__(self) -> str:
        return f"<Reach {self._circuit.state} refused={self.refused}>"

    @property
    def away(self) -> bool:
        """Tell whether attempts are refused, but for one at a time."""
        return self._since is not None

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Let an attempt to connect through, and learn of what came of it; raise psycopg's OperationalError where it is refused."""
        with self._lock:
            permit = self._circuit.admit(self._clock())
            if permit is None:
                self.refused += 1
                raise psycopg.OperationalError(
                    "the database is away: attempts to connect are made one at a time until one gets through"
                )
        result: Any = "ignore"  # cancelled, or a bug: says nothing of the database
        try:
            yield
            result = "ok"
        except Exception as error:
            result = "fail" if isinstance(error, DatabaseUnreachable) or is_weather(error) else "ignore"
            raise
        finally:
            with self._lock:
                self._circuit.record(self._clock(), permit, result)
                self._tell()

    def guard(self, engine: AsyncEngine) -> None:
        """Stand before every connection that `engine` opens from now on."""
        from sqlalchemy import event  # noqa: PLC0415 - who has an engine has SQLAlchemy

        @event.listens_for(engine.sync_engine, "do_connect")
        def connect(dialect: Any, record: object, args: Any, options: Any) -> Any:
            del record
            with self.connecting():
                return dialect.connect(*args, **options)

    def _tell(self) -> None:
        """Say what begins and what ends, once each."""
        now = self._clock()
        if self._circuit.state == "open" and self._since is None:
            self._since = now
            logger.warning("the database is away: %d attempts to connect failed in a row; it is tried one at a time", ROW)
        elif self._circuit.state == "closed" and self._since is not None:
            seconds, self._since = now - self._since, None
            logger.warning(
                "the database can be reached again after %.1f s; %s spared it",
                seconds,
                noun(self.refused, "attempt was", "attempts were"),
            )
