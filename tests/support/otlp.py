"""A receiver of traces: OTLP over HTTP as a collector takes it, decoded from its protobuf.

with Receiver() as receiver:
    ...                                # run something with receiver.environment
    spans = receiver.trace(lambda spans: "discard email" in spans)
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from tests.support.receiver import Posted


@dataclass(frozen=True)
class Span:
    """What a receiver knows of a span."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    links: list[tuple[str, dict[str, Any]]]
    """The span that is linked to, and the link's attributes."""
    error: str | None
    events: list[dict[str, Any]] = field(repr=False)
    start: int = 0
    end: int = 0
    resource: dict[str, Any] = field(default_factory=dict, repr=False)
    schema_url: str = ""


class Receiver(Posted):
    """Listens on a free port, and keeps the spans that it was sent."""

    answers = "application/x-protobuf"

    def __init__(self) -> None:
        super().__init__()
        self._spans: list[Span] = []
        self._lock = threading.Condition()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        assert path == "/v1/traces"
        told = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self._take(ExportTraceServiceRequest.FromString(told))
        return bytes(ExportTraceServiceResponse().SerializeToString())

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a program sends its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def until(self, enough: Callable[[list[Span]], Any], within: float = 30) -> Any:
        """Return what `enough` says of the spans received, once that is true."""
        deadline = time.monotonic() + within
        with self._lock:
            while not (found := enough(self._spans)):
                if not self._lock.wait(max(deadline - time.monotonic(), 0)):
                    raise AssertionError(f"waited {within} s; received: {[span.name for span in self._spans]}")
        return found

    def _take(self, request: ExportTraceServiceRequest) -> None:
        with self._lock:
            for group in request.resource_spans:
                resource = _attributes(group.resource.attributes)
                for scope in group.scope_spans:
                    self._spans += [_span(span, resource, scope.schema_url) for span in scope.spans]
            self._lock.notify_all()


def _span(span: Any, resource: dict[str, Any], schema_url: str) -> Span:
    return Span(
        name=span.name,
        kind=type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        links=[(link.span_id.hex(), _attributes(link.attributes)) for link in span.links],
        error=span.status.message if span.status.code == 2 else None,
        events=[{"name": event.name, **_attributes(event.attributes)} for event in span.events],
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        resource=resource,
        schema_url=schema_url,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
