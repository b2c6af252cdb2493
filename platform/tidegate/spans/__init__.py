"""What a job leaves in a trace, from its enqueue to its ack, and the trace's context on its way through the table.

Built on OpenTelemetry's API, which is an extra: without it, or where no SDK is configured, `found` returns None and nothing of this
runs. Nothing of OpenTelemetry is imported here; the spans themselves are made in `recorder`.

    spans = found(settings.tracing)           # None: not traced
    with entered(carrier): ...                # in a child process: the handler's own spans belong to the run there, too
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tidegate.settings.observing import Tracing
    from tidegate.spans.recorder import Recorder

__all__ = ["LAST_ATTEMPT", "carried", "entered", "found", "ids_now", "is_configured", "sampled_trace", "trace_of"]

LAST_ATTEMPT: Final = "traceparent_of_last_attempt"
"""The key of a job's meta under which its next attempt finds the one before."""

_API: Final = "opentelemetry.trace"
_TRACEPARENT: Final = 55  # characters: version, trace, span, flags


def found(options: Tracing, *, database: str = "") -> Recorder | None:
    """Return what records spans where this process has an OpenTelemetry SDK; None where nobody configured one."""
    if not is_configured():
        return None
    from tidegate.spans.recorder import Recorder  # noqa: PLC0415 - only here is OpenTelemetry known to be there

    return Recorder(sys.modules[_API].get_tracer_provider(), options, database=database)


def is_configured() -> bool:
    """Tell whether this process has an OpenTelemetry SDK; nobody configures what nobody has imported."""
    api: Any = sys.modules.get(_API)
    return api is not None and not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider | api.NoOpTracerProvider)


def carried() -> dict[str, str]:
    """Return the context that is current here, as text to be handed to another process; empty where there is none."""
    if _API not in sys.modules:
        return {}
    from opentelemetry import propagate  # noqa: PLC0415 - an extra, known to be there

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


@contextmanager
def entered(carrier: Mapping[str, Any]) -> Iterator[None]:
    """Make the context that `carried` returned, there, the current one here."""
    if not carrier or _API not in sys.modules:
        yield
        return
    from opentelemetry import context, propagate  # noqa: PLC0415 - an extra, known to be there

    token = context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def ids_now() -> tuple[str, str] | None:
    """Return the trace and the span that are current here, for a line in a log."""
    api: Any = sys.modules.get(_API)
    if api is None:
        return None
    current = api.get_current_span().get_span_context()
    return (f"{current.trace_id:032x}", f"{current.span_id:016x}") if current.is_valid else None


def sampled_trace(meta: Mapping[str, Any]) -> str | None:
    """Return the trace in which a job was enqueued, where it is one that is recorded."""
    parent = meta.get("traceparent")
    return trace_of(parent) if isinstance(parent, str) else None


def trace_of(traceparent: str | None) -> str | None:
    """Return the trace that a `traceparent` is of, where it is one that is recorded."""
    if not traceparent or len(traceparent) < _TRACEPARENT:
        return None
    try:
        sampled = int(traceparent[53:55], 16) & 1
    except ValueError:
        return None
    return traceparent[3:35] if sampled else None
