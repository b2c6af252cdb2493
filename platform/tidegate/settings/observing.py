"""What can be said about how a node is observed: its metrics and its traces. Where traces go is said by the OTEL_ variables."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tidegate.settings.group import Flag, Frozen, Whole

__all__ = ["Flag", "Metrics", "Tracing"]


class Metrics(Frozen):
    """What /metrics shows."""

    form: ClassVar[str] = "a mapping such as {kinds: 200}"

    kinds: Annotated[Whole, Field(ge=1, le=10_000)] = 200
    """How many kinds have series of their own; the others are counted together, as `other`."""


class Tracing(Frozen):
    """How jobs are traced, where an OpenTelemetry SDK is configured."""

    form: ClassVar[str] = "a mapping such as {attempts: link}"

    attempts: Literal["parent", "link"] = "parent"
    """parent: an attempt is in the trace of its enqueue, and sampled as that one is; link: in a trace of its own, linked to it."""
    create_spans: Flag = False
    """Whether each job of an enqueue of many has a span of its own; else they share that of the enqueue."""
