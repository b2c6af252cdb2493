"""The context of a trace in a job's meta: written where the job is enqueued, read where it runs.

It goes in and out by the configured propagators, whatever they are; what never leaves Tidegate is written as W3C has it. A job's
meta is the user's, and anybody's who can write into the table: what is no context in it is none, and never an error.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["drops_unsampled", "extracted", "here", "injected", "is_unsampled", "span_of", "under", "written"]

W3C: Final = TraceContextTextMapPropagator()
TRACEPARENT: Final = "traceparent"
COMPANIONS: Final = frozenset({"tracestate", "baggage"})


def injected(span: Span) -> dict[str, str]:
    """Return what the propagators write of a span, and of what is current besides."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=set_span_in_context(span))
    return carrier


def extracted(meta: Mapping[str, Any]) -> Context:
    """Return the context that the propagators find in a job's meta."""
    return propagate.extract({key: value for key, value in meta.items() if isinstance(value, str)}, context=Context())


def here(span: Span) -> str:
    """Return a span as W3C writes it."""
    carrier: dict[str, str] = {}
    W3C.inject(carrier, context=set_span_in_context(span))
    return carrier[TRACEPARENT]


def written(traceparent: Any) -> SpanContext | None:
    """Return the span that `here` wrote; None for anything else."""
    return span_of(W3C.extract({TRACEPARENT: traceparent}, context=Context())) if isinstance(traceparent, str) else None


def span_of(context: Context) -> SpanContext | None:
    """Return the span of a context, where it has one."""
    found = get_current_span(context).get_span_context()
    return found if found.is_valid else None


def under(parent: SpanContext) -> Context:
    """Return a context whose span is `parent`, and that holds nothing else."""
    return set_span_in_context(NonRecordingSpan(parent), Context())


def is_unsampled(meta: Mapping[str, Any]) -> bool:
    """Tell by a look whether a job's trace is surely one that is not recorded; False where the propagators have to be asked."""
    parent = meta.get(TRACEPARENT)
    if not isinstance(parent, str) or len(parent) != 55 or parent[:3] != "00-" or parent[54] not in "02468ace":
        return False
    return COMPANIONS.isdisjoint(meta) and TRACEPARENT in propagate.get_global_textmap().fields


def drops_unsampled(provider: TracerProvider) -> bool:
    """Tell whether nothing under a parent that is not sampled is ever recorded, as it is with OpenTelemetry's usual samplers."""
    sampler, sampling = getattr(provider, "sampler", None), sys.modules.get("opentelemetry.sdk.trace.sampling")
    if sampling is None or not isinstance(sampler, sampling.ParentBased):
        return False
    parent = under(SpanContext(1 << 64, 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT)))
    return bool(sampler.should_sample(parent, 1 << 64, "process").decision is sampling.Decision.DROP)
