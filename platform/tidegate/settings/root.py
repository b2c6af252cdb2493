"""The whole of queues.yaml: `Settings`, and how it is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tidegate.errors import UnknownQueue
from tidegate.settings.circuits import CIRCUIT_NAME, CircuitNumbers, CircuitOptions
from tidegate.settings.database_url import EMBEDDED, mask_url, parse_database
from tidegate.settings.durations import Duration
from tidegate.settings.layers import Layer, holder
from tidegate.settings.loading import find_file, load
from tidegate.settings.model import QUEUE_NAME, Defaults, QueueOptions, QueueSettings, Retention
from tidegate.settings.notifications import NotificationRule, uniquely_named
from tidegate.settings.observing import Metrics, Tracing
from tidegate.settings.origin import Origin, origins
from tidegate.settings.problems import Place
from tidegate.settings.resolution import Clashes, clashes, resolve, shared_circuit
from tidegate.settings.timeouts import DatabaseTimeouts, longer_than_the_lease
from tidegate.settings.words import dotted, shown

__all__ = ["Settings"]


def _name_of_queue(name: Any) -> Any:
    if isinstance(name, str) and re.fullmatch(QUEUE_NAME, name):
        return name
    raise ValueError("a queue's name has 1 to 63 letters, digits, - and _, and begins with a letter")


def _name_of_circuit(name: Any) -> Any:
    if isinstance(name, str) and re.fullmatch(CIRCUIT_NAME, name):
        return name
    raise ValueError("a circuit's name has 1 to 63 letters, digits, - and _, and begins with a letter")


def _names_of_modules(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    if value is None:
        return ()
    raise ValueError(f"expected a list of modules such as [myshop.jobs], got {shown(value)}")


def _rules(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    if value is None:
        return ()
    raise ValueError(f"expected a list such as [{{on: dead_letter, webhook: ...}}], got {shown(value)}")


def _name_of_module(value: Any) -> Any:
    if isinstance(value, str) and all(part.isidentifier() for part in value.split(".")):
        return value
    raise ValueError(f"expected the dotted name of a module such as myshop.jobs, got {shown(value)}")


def _version(value: Any) -> Any:
    """An empty version counts as not said, as it comes out of `${REVISION:-}`."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # 1.0 without quotes
    if isinstance(value, str) and len(value) <= LONGEST_VERSION and value.isprintable():
        return value
    raise ValueError(f"expected a version such as 1.4.2, of at most {LONGEST_VERSION} characters; got {shown(value)}")


LONGEST_VERSION: Final = 100
VERSION: Final = {"type": ["string", "number", "null"], "maxLength": LONGEST_VERSION}
DATABASE: Final = {"type": "string", "pattern": "^(embedded|postgres(ql)?([+][A-Za-z0-9_]+)?://.*)$"}
MODULE: Final = {"type": "string", "pattern": "^[^\\s.]+([.][^\\s.]+)*$"}

Module = Annotated[str, BeforeValidator(_name_of_module), WithJsonSchema(MODULE)]


class Settings(BaseSettings):
    """Everything that queues.yaml may say. `Settings.load` reads it; `Settings(...)` takes arguments and defaults only."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)

    database: Annotated[str, BeforeValidator(parse_database), WithJsonSchema(DATABASE), Field(repr=False)] = EMBEDDED
    """embedded, the PostgreSQL that comes with Tidegate, or postgresql://user:password@host:port/name."""
    database_timeouts: DatabaseTimeouts = DatabaseTimeouts()
    """How long the database is waited for."""
    jobs: Annotated[tuple[Module, ...], BeforeValidator(_names_of_modules)] = ()
    """Modules whose functions may run as jobs; nothing else is ever imported for a job. The file's folder is on the path."""
    defaults: Defaults = Defaults()
    """What holds for every queue that does not say otherwise."""
    queues: Annotated[
        Mapping[Annotated[str, BeforeValidator(_name_of_queue)], QueueOptions],
        BeforeValidator(lambda value: {} if value is None else value),
    ] = Field(default_factory=dict)
    """The queues by name. What a queue leaves out is taken from `defaults`."""
    circuits: Annotated[
        Mapping[Annotated[str, BeforeValidator(_name_of_circuit)], CircuitNumbers],
        BeforeValidator(lambda value: {} if value is None else value),
    ] = Field(default_factory=dict)
    """Circuits that several kinds of jobs share, by name. What one leaves out is taken from the circuit of `defaults`."""
    retention: Retention = Retention()
    """How long finished jobs and dead letters are kept."""
    notifications: Annotated[
        tuple[NotificationRule, ...], BeforeValidator(_rules), AfterValidator(uniquely_named), Field(repr=False)
    ] = ()
    """Who is told what goes wrong, by webhook, mail, command or log."""
    app_version: Annotated[str | None, BeforeValidator(_version), WithJsonSchema(VERSION)] = None
    """The application's version, for errors and dead letters; else the git revision, or the installed package's version."""
    lease: Annotated[Duration, Field(ge=1)] = 30.0
    """A node that has not been heard of for this long is lost, and its jobs run elsewhere."""
    poll: Annotated[Duration, Field(ge=0.01)] = 1.0
    """How often a queue looks for jobs that no notification told of."""
    snapshot: Annotated[Duration, Field(ge=0.1)] = 2.0
    """How often the leader counts the fleet's jobs for metrics."""
    drain_timeout: Duration = 30.0
    """How long running jobs may take to end when a node stops."""

    metrics: Metrics = Metrics()
    """What /metrics shows."""
    tracing: Tracing = Tracing()
    """How jobs are traced, where an OpenTelemetry SDK is configured."""

    _layers: tuple[Layer, ...] = PrivateAttr(default=())
    _path: Path | None = PrivateAttr(default=None)
    _resolved: dict[str, QueueOptions] = PrivateAttr(default_factory=dict)
    _queues: dict[str, QueueSettings] = PrivateAttr(default_factory=dict)
    _circuits: dict[str, CircuitNumbers] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str | None = None, *, environ: Mapping[str, str] | None = None, **arguments: Any) -> Self:
        """Return the settings by the order arguments > TIDEGATE_* > file > defaults; an argument that is None says nothing.

        Without a path it is TIDEGATE_CONFIG's file, else queues.yaml of the working directory; where there is none, there are no
        queues. Raises ConfigurationError with everything that is wrong, each with its place.
        """
        environ = os.environ if environ is None else environ
        file = find_file(path, environ)
        settings, layers = load(cls, file, environ, arguments)
        return settings._read_from(file, layers)  # noqa: SLF001 - its own class

    def queue(self, name: str) -> QueueSettings:
        """Return what holds for one queue, every default resolved; raise UnknownQueue where it is not declared."""
        if name not in self._queues:
            raise UnknownQueue(name, self.queue_names)
        return self._queues[name]

    def circuit_of(self, queue: str | None) -> CircuitOptions:
        """Return what holds for the circuits of a queue's kinds, every default resolved."""
        return self._resolved[queue].circuit if queue in self._resolved else CircuitOptions()

    def shared_circuit(self, name: str) -> CircuitNumbers | None:
        """Return what `circuits` says of the circuit `name`, every default resolved; None where it does not name it."""
        return self._circuits.get(name)

    def place(self, *path: str) -> str:
        """Return where something was written, as `queues.yaml:14: queues.email.circuit`; the key alone where nobody wrote it."""
        layer = holder(self._layers, path)
        return dotted(path) if layer is None else f"{layer.place(path).in_short}: {dotted(path)}"

    @property
    def queue_names(self) -> tuple[str, ...]:
        """The declared queues, in the order of the file."""
        return tuple(self.queues)

    @property
    def default_queue(self) -> str | None:
        """The queue of jobs that name none: `defaults.queue`, else the first of the file; None where no queue is declared."""
        return self.defaults.queue or next(iter(self.queues), None)

    @cached_property
    def fingerprint(self) -> str:
        """A short text that is the same exactly where the same settings hold; the database is not part of it."""
        told = self.model_dump(mode="json", exclude={"database"})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path | None:
        """The file that was read."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder of the file, else the working directory: jobs modules are found from here."""
        return self._path.parent if self._path is not None else Path.cwd()

    def origins(self) -> list[Origin]:
        """Return every value that holds, and where it came from; passwords are masked."""
        by_hand = Layer(self.model_dump(exclude_unset=True), {}, {(): Place("argument")})
        return origins(self, {"queues": self._resolved, "circuits": self._circuits}, self._layers or (by_hand,))

    def __repr__(self) -> str:
        """Show the file, the queues and the database without its password."""
        return f"<Settings {self._path or 'without a file'} queues={','.join(self.queues)} database={mask_url(self.database)}>"

    __str__ = __repr__

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the sources that `load` hands in, else the arguments alone: what is made by hand depends on no environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        sources: tuple[PydanticBaseSettingsSource, ...] = init_settings().get("sources", (init_settings,))
        return sources

    def _read_from(self, file: Path | None, layers: tuple[Layer, ...]) -> Self:
        self._path, self._layers = file.absolute() if file is not None else None, layers
        return self

    @model_validator(mode="after")
    def _resolve(self) -> Self:
        found = [
            *clashes(self.defaults, self.queues, self.circuits),
            *longer_than_the_lease(self.database_timeouts, self.lease),
        ]
        if found:
            raise Clashes(found)
        for name, options in self.queues.items():
            resolved = self._resolved[name] = resolve(self.defaults, options)
            self._queues[name] = QueueSettings.of(
                name, resolved, lease=self.lease, poll=self.poll, drain_timeout=self.drain_timeout
            )
        for name, numbers in self.circuits.items():
            self._circuits[name] = shared_circuit(self.defaults, numbers)
        return self
