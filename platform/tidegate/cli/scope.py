"""What one invocation works with: the shared options, and from there the settings, the handlers, the database.

Everything heavy is imported on the way to it. Whatever the project's own modules print while they are imported goes to standard
error, so that standard output holds data and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cli.output import say
from tidegate.errors import ConfigurationError, TidegateError, UnknownKind

if TYPE_CHECKING:
    import psycopg

    from tidegate.circuit import CircuitPlan
    from tidegate.dead_letters import DeadLetterQueue, ErrorGroups, Redrives
    from tidegate.dead_letters.moving import Mover
    from tidegate.handlers import Handlers, JobSpec
    from tidegate.introspection import Inspector
    from tidegate.redaction import Redactor
    from tidegate.settings import Settings
    from tidegate.store.database import Database

__all__ = ["Scope"]


@dataclass(eq=False)
class Scope:
    """The shared options, and what they lead to."""

    config: str | None = None
    database: str | None = None
    debug: bool = False
    given: dict[str, Any] = field(default_factory=dict)
    """Further settings that the command's own options say; None says nothing."""

    @cached_property
    def settings(self) -> Settings:
        """The settings as arguments, environment, file and defaults have them."""
        from tidegate.settings import Settings  # noqa: PLC0415 - pydantic costs what `--help` should not pay

        return Settings.load(self.config, database=self.database, **self.given)

    @property
    def shown_database(self) -> str | None:
        """The database without its password, where the settings were read; for words about it."""
        settings = self.__dict__.get("settings")
        if settings is None:
            return None
        from tidegate.settings import mask_url  # noqa: PLC0415 - likewise

        return mask_url(settings.database)

    @cached_property
    def handlers(self) -> Handlers:
        """The handlers of the jobs modules, imported now."""
        from tidegate.handlers import Handlers  # noqa: PLC0415 - likewise

        with redirect_stdout(sys.stderr):
            return Handlers(self.settings.jobs, path=self.settings.folder)

    @cached_property
    def known_handlers(self) -> Handlers | None:
        """The handlers; None where they do not import here: what is asked for can be shown all the same."""
        try:
            return self.handlers
        except TidegateError:
            return None

    @cached_property
    def circuit_plan(self) -> CircuitPlan | None:
        """The circuits of the configuration; None where the handlers do not import here, or it says what cannot hold."""
        from tidegate.circuit.assignment import assign  # noqa: PLC0415 - likewise

        handlers = self.known_handlers
        try:
            return None if handlers is None else assign(self.settings, handlers, rng=float).plan
        except TidegateError:
            return None

    def place(self) -> Database:
        """Return the database that is meant, not yet opened."""
        from tidegate.store.database import Database  # noqa: PLC0415 - psycopg likewise

        settings = self.settings
        if settings.database == "embedded" and settings.path is None:
            raise ConfigurationError(
                "there is no queues.yaml here, and no database was named",
                hint="`tidegate init` writes a queues.yaml; --config PATH names one elsewhere, --database URL a database",
            )
        return Database(settings.database, folder=settings.folder, timeouts=settings.database_timeouts, on_progress=say)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Open the database and connect; MigrationNeeded unless its schema is the expected one."""
        from tidegate.introspection.asking import asking  # noqa: PLC0415 - likewise
        from tidegate.store import migrate  # noqa: PLC0415 - likewise
        from tidegate.store.connection import connect  # noqa: PLC0415 - likewise

        with self.place() as database, connect(database.conninfo) as connection:
            with asking("look at the schema"):
                migrate.check(connection)
            yield connection

    @contextmanager
    def inspector(self) -> Iterator[Inspector]:
        """Open the database to look at it."""
        with self.connection() as connection:
            yield self.inspector_of(connection)

    def inspector_of(self, connection: psycopg.Connection[Any]) -> Inspector:
        """Return an inspector that knows the declared queues and what the handlers say."""
        from tidegate.introspection import Inspector  # noqa: PLC0415 - likewise

        return Inspector(
            connection, queues=self.settings.queue_names, max_attempts=self._max_attempts(), redactors=self.redactor_of
        )

    def letters_of(self, connection: psycopg.Connection[Any], actor: str | None = None) -> DeadLetterQueue:
        """Return the dead letters over `connection`."""
        from tidegate.dead_letters import DeadLetterQueue  # noqa: PLC0415 - likewise

        return DeadLetterQueue(connection, redactors=self.redactor_of, actor=actor)

    def mover_of(self, connection: psycopg.Connection[Any], actor: str | None = None) -> Mover:
        """Return what moves dead letters from and to the database of `connection`."""
        from tidegate.dead_letters.moving import Mover  # noqa: PLC0415 - likewise

        return Mover(connection, redactors=self.redactor_of, actor=actor)

    def redrives_of(self, connection: psycopg.Connection[Any], actor: str | None = None) -> Redrives:
        """Return the redrives over `connection`."""
        from tidegate.dead_letters import Redrives  # noqa: PLC0415 - likewise

        return Redrives(connection, actor=actor)

    def errors_of(self, connection: psycopg.Connection[Any], actor: str | None = None) -> ErrorGroups:
        """Return the groups of errors over `connection`."""
        from tidegate.dead_letters import ErrorGroups  # noqa: PLC0415 - likewise

        return ErrorGroups(connection, actor=actor)

    def redactor_of(self, kind: str) -> Redactor:
        """Return what is secret about the calls of a kind; of one that is not known here, only what anybody would take for it."""
        from tidegate.redaction import Redactor  # noqa: PLC0415 - likewise

        handlers = self.known_handlers
        try:
            return Redactor() if handlers is None else handlers.resolve(kind).redactor
        except UnknownKind:
            return Redactor()

    def _max_attempts(self) -> Callable[[str, str], int | None]:
        """Resolve what a row leaves open as a node would: @job, then the queue. The handlers are imported at the first question."""

        @cache
        def spec(kind: str) -> JobSpec | None:
            handlers = self.known_handlers
            try:
                return None if handlers is None else handlers.resolve(kind).spec
            except UnknownKind:
                return None

        def resolve(queue: str, kind: str) -> int | None:
            said = spec(kind)
            if said is None or said.max_attempts is not None:
                return None if said is None else said.max_attempts
            return self.settings.queue(queue).max_attempts if queue in self.settings.queue_names else None

        return resolve
