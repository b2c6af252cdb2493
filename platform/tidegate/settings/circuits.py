"""What can be said of circuits: of those of a queue's kinds, and of shared ones by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from tidegate.settings.durations import Duration
from tidegate.settings.group import Flag, Frozen, Number, Whole
from tidegate.settings.words import shown

__all__ = ["CIRCUIT_NAME", "CircuitNumbers", "CircuitOptions"]

CIRCUIT_NAME: Final = "[A-Za-z][A-Za-z0-9_-]{0,62}"
ERROR_NAME: Final = r"[A-Za-z_]\w*([.][A-Za-z_]\w*)*"


def _error_names(value: Any) -> Any:
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return value
    raise ValueError(f"expected a list of exceptions such as [TimeoutError, smtplib.SMTPDataError], got {shown(value)}")


def _error_name(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(ERROR_NAME, value):
        return value
    raise ValueError(f"expected the name of an exception such as TimeoutError or smtplib.SMTPDataError, got {shown(value)}")


def _circuit_name(value: Any) -> Any:
    if value is None or (isinstance(value, str) and re.fullmatch(CIRCUIT_NAME, value)):
        return value
    raise ValueError(f"a circuit's name has 1 to 63 letters, digits, - and _, and begins with a letter; got {shown(value)}")


ErrorName = Annotated[str, BeforeValidator(_error_name), WithJsonSchema({"type": "string", "pattern": f"^{ERROR_NAME}$"})]
ErrorNames = Annotated[tuple[ErrorName, ...], BeforeValidator(_error_names)]
Percent = Annotated[Number, Field(ge=0, le=100)]


class CircuitNumbers(Frozen):
    """When a circuit opens, for how long, and what lets it close again."""

    form: ClassVar[str] = "a mapping such as {failure_rate: 50, open_for: 30}"

    mode: Literal["act", "observe"] = "act"
    """observe: it computes, tells and never holds a job back."""
    window: Literal["time", "count"] = "time"
    """Which outcomes are looked at: those of a time, or the last so many."""
    window_size: Annotated[Duration, Field(gt=0)] = 120.0
    """The time (window: time), or how many outcomes (window: count)."""
    minimum: Annotated[Whole, Field(ge=1, le=1_000_000)] = 10
    """A rate says nothing below this many outcomes."""
    failure_rate: Percent = 50.0
    """Open when at least this share of the outcomes, in percent, are failures; 0: whatever their share."""
    consecutive: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    """Open after this many failures in a row; 0: however many."""
    slow_after: Duration = 0.0
    """A run that takes longer is slow; 0: none is."""
    slow_rate: Annotated[Number, Field(gt=0, le=100)] = 80.0
    """Open when at least this share of the outcomes, in percent, are slow."""
    distinct_jobs: Annotated[Whole, Field(ge=1, le=1_000)] = 3
    """Open only when this many different jobs failed; a job counts once, however often it is tried."""
    open_for: Annotated[Duration, Field(gt=0)] = 30.0
    """How long it stays open at first."""
    open_factor: Annotated[Number, Field(ge=1, le=1_000)] = 2.0
    """What each further opening multiplies that by, until it has closed again."""
    open_cap: Annotated[Duration, Field(gt=0)] = 900.0
    """It stays open no longer than this, jitter aside."""
    jitter: Annotated[Number, Field(ge=0, le=1)] = 0.2
    """The share of that time, 0 to 1, by which chance makes it longer."""
    probes: Annotated[Whole, Field(ge=1, le=10_000)] = 3
    """How many jobs it then lets through, in the whole fleet, to see whether they go well."""
    needed: Annotated[Whole, Field(ge=1, le=10_000)] = 2
    """How many of them must go well for it to close."""
    ramp: Duration = 5.0
    """After closing, as many jobs run at once as there were probes, and twice as many after each such time; 0: all at once."""
    count: ErrorNames = ()
    """Exceptions that are failures, whatever `ignore` says of their bases."""
    ignore: ErrorNames = ()
    """Exceptions that say nothing about the dependency."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.model_fields_set >= {"probes", "needed"} and self.needed > self.probes:
            raise ValueError(f"needed {self.needed} is above probes {self.probes}")
        if self.model_fields_set >= {"window", "window_size"} and self.window == "count" and self.window_size % 1:
            raise ValueError(f"window_size {self.window_size:g} is no whole number, and the window counts outcomes")
        return self


class CircuitOptions(CircuitNumbers):
    """The circuit of each of a queue's kinds, or the one that they share."""

    form: ClassVar[str] = "true, false, the name of a circuit, or a mapping such as {failure_rate: 50, open_for: 30}"
    shorthand: ClassVar[Mapping[str, Any] | None] = {"type": ["boolean", "string"]}

    enabled: Flag = True
    """false, or false in place of the mapping: the queue's kinds have no circuit, unless their @job names one."""
    name: Annotated[str | None, BeforeValidator(_circuit_name)] = None
    """The circuit that the queue's kinds share; one for each of them where this is left out."""

    @classmethod
    def spread(cls, value: Any) -> Any:
        """Write out `false`, `true` and the name of a circuit; whoever gives numbers wants one."""
        match value:
            case bool():
                return {"enabled": value}
            case "true" | "false":
                return {"enabled": value == "true"}
            case str():
                return {"enabled": True, "name": value}
            case Mapping():
                return {"enabled": True, **value}
            case _:
                return super().spread(value)
