"""Records the spans of jobs with OpenTelemetry: enqueue, fetch, process, ack, as the messaging conventions name them.

    enqueue QUEUE   producer   around an insert; under what is current in the caller
    create QUEUE    producer   with `create_spans`: each job of an enqueue of many, whose own span (then of a client) links to them
    fetch QUEUE     client     a claim that brought jobs; links to their enqueues
    process QUEUE   consumer   one run, under its enqueue (`attempts: parent`); links to it, and to the attempt before
    ack QUEUE       client     outcomes told to the table; links to their runs; `retry` and `discard` likewise

What concerns a single job is in that job's trace: its fetch under its enqueue, its ack under its run. fetch and ack are recorded
after the fact, from events, and only where one of their jobs is in a trace that is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanContext,
    SpanKind,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.status import Status, StatusCode

from tidegate import __version__
from tidegate.events import Acked, Claimed, Event
from tidegate.jobs import Job, NewJob, State
from tidegate.lifecycle import Ack
from tidegate.settings.observing import Tracing
from tidegate.spans import LAST_ATTEMPT, semconv
from tidegate.spans.attributes import Attributes, of_claimed, of_new, of_server
from tidegate.spans.carrier import drops_unsampled, extracted, here, injected, is_unsampled, span_of, under, written

__all__ = ["Recorder", "Run", "Sent"]

SETTLING: Final = {State.COMPLETED: "ack", State.CANCELLED: "ack", State.SCHEDULED: "retry", State.DEAD: "discard"}


class Recorder:
    """Records with one tracer provider. Everything that it is asked for costs some microseconds, sampled or not."""

    def __init__(self, provider: TracerProvider, options: Tracing, *, database: str = "") -> None:
        self._tracer = provider.get_tracer("tidegate", __version__, schema_url=semconv.SCHEMA_URL)
        self._options = options
        self._passes = options.attempts == "parent" and drops_unsampled(provider)
        """Whether a run of a job whose trace is not recorded needs no span at all."""
        self._always: Attributes = {semconv.SYSTEM: semconv.TIDEGATE, **of_server(database)}

    # Where jobs are enqueued.

    @contextmanager
    def enqueue(self, jobs: Sequence[NewJob]) -> Iterator[Sent]:
        """Span an insert: yields the jobs with the context of their creation in their meta. A job that had one already keeps it."""
        creating = self._create(jobs) if self._options.create_spans else None
        kind = SpanKind.PRODUCER if creating is None else SpanKind.CLIENT
        spans: dict[str, Span] = {}
        for queue in dict.fromkeys(job.queue for job in jobs):
            mine = [at for at, job in enumerate(jobs) if job.queue == queue]
            links = [] if creating is None else [Link(creating[at].get_span_context()) for at in mine]
            spans[queue] = self._start("enqueue", "send", queue, kind, links=links, more=of_new([jobs[at] for at in mine]))
        contexts_of = creating or [spans[job.queue] for job in jobs]
        sent = Sent(
            [replace(job, meta={**injected(span), **(job.meta or {})}) for job, span in zip(jobs, contexts_of, strict=True)]
        )
        try:
            with _current(next(iter(spans.values()))):
                yield sent
        except BaseException as error:
            for span in spans.values():
                _failed(span, type(error).__qualname__, str(error))
            raise
        finally:
            if len(sent.ids) == 1:
                next(iter(spans.values())).set_attribute(semconv.MESSAGE_ID, str(sent.ids[0]))
            for span in spans.values():
                span.end()

    def _create(self, jobs: Sequence[NewJob]) -> list[Span]:
        spans = [self._start("create", "create", job.queue, SpanKind.PRODUCER, more=of_new([job])) for job in jobs]
        for span in spans:
            span.end()
        return spans

    # Where they run.

    @contextmanager
    def process(self, jobs: Sequence[Job[Any]]) -> Iterator[Run]:
        """Span a run; the handler's own spans belong to it."""
        first, alone = jobs[0], len(jobs) == 1
        context = extracted(first.meta) if alone and first.meta else Context()
        if alone and self._passes and is_unsampled(first.meta):
            span: Span = get_current_span(context)  # the enqueue's: nothing is recorded, by the handler neither
        else:
            creations = [span_of(context) if alone else span_of(extracted(job.meta)) for job in jobs]
            if self._options.attempts == "link":
                context = set_span_in_context(INVALID_SPAN, context)
            links = [link for job, creation in zip(jobs, creations, strict=True) for link in _links(job, creation)]
            attributes = {**of_claimed(jobs), semconv.WAITED: first.waited}
            span = self._start("process", "process", first.queue, SpanKind.CONSUMER, context=context, links=links, more=attributes)
            context = set_span_in_context(span, context)
        token = contexts.attach(context)
        try:
            yield Run(span)
        except BaseException as error:
            _failed(span, type(error).__qualname__, "the run was cut off")
            raise
        finally:
            contexts.detach(token)
            span.end()

    # What events tell.

    def on_event(self, event: Event) -> None:
        """Record what a claim brought and what acks were told: `events.subscribe(recorder.on_event)`."""
        match event:
            case Claimed(origins=origins) if origins:
                self._fetched(event)
            case Acked(runs=runs) if runs:
                self._acked(event)
            case _:
                pass  # no span of its own

    def _fetched(self, event: Claimed) -> None:
        found = [(job_id, span_of(extracted(meta))) for job_id, meta in event.origins if not is_unsampled(meta)]
        links = [_link(creation, job_id, "creation") for job_id, creation in found if creation and creation.trace_flags.sampled]
        if links:
            joins = self._options.attempts == "parent"
            self._past("fetch", "receive", event.queue, event.seconds, links, count=event.jobs, joins=joins)

    def _acked(self, event: Acked) -> None:
        told: dict[str, list[Link]] = {}
        for job_id, state, traceparent in event.runs:
            if state in SETTLING and (run := written(traceparent)):
                told.setdefault(SETTLING[state], []).append(_link(run, job_id, "run"))
        for operation, links in told.items():
            self._past(operation, "settle", event.queue, event.seconds, links, count=len(links), joins=True)

    def _past(self, name: str, kind: str, queue: str, seconds: float, links: Sequence[Link], *, count: int, joins: bool) -> None:
        """Record what took `seconds` until now. What concerns a single job belongs to that job's trace, if it `joins`."""
        end = time.time_ns()  # spans are dated by the clocks of those who record them
        single = links[0] if count == 1 else None
        context = under(single.context) if single is not None and joins else Context()
        more: Attributes = (
            {semconv.BATCH: count} if single is None else {semconv.MESSAGE_ID: (single.attributes or {})[semconv.MESSAGE_ID]}
        )
        start = end - int(seconds * 1e9)
        self._start(name, kind, queue, SpanKind.CLIENT, context=context, links=links, more=more, at=start).end(end)

    def _start(
        self,
        operation: str,
        operation_type: str,
        queue: str,
        kind: SpanKind,
        *,
        context: Context | None = None,
        links: Sequence[Link] = (),
        more: Mapping[str, Any],
        at: int | None = None,
    ) -> Span:
        attributes = {
            **self._always,
            semconv.OPERATION: operation,
            semconv.OPERATION_TYPE: operation_type,
            semconv.DESTINATION: queue,
            **more,
        }
        return self._tracer.start_span(
            f"{operation} {queue}", context=context, kind=kind, attributes=attributes, links=links, start_time=at
        )


@dataclass(slots=True)
class Sent:
    """Jobs on their way into the table; `ids` is to be set once they have them."""

    jobs: list[NewJob]
    ids: Sequence[int] = ()


class Run:
    """A run under way."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def told(self, jobs: Sequence[Job[Any]], acks: Sequence[Ack]) -> list[Ack]:
        """Take note of what came of the run; return the acks with where its span is to be found."""
        span = self._span
        if not span.is_recording():
            return list(acks)
        outcomes = sorted({str(ack.word) for ack in acks})
        span.set_attribute(semconv.OUTCOME, outcomes[0] if len(outcomes) == 1 else ",".join(outcomes))
        if len(acks) == 1:
            span.set_attribute(semconv.STATE, str(acks[0].state))
            if acks[0].reason is not None:
                span.set_attribute(semconv.REASON, str(acks[0].reason))
        for ack in acks:
            if ack.failure is not None and ack.state in (State.SCHEDULED, State.DEAD):
                _failed(span, ack.failure.type, ack.failure.message, ack.failure.traceback)
                break
        return [_remembered(job, ack, here(span)) for job, ack in zip(jobs, acks, strict=True)]


def _remembered(job: Job[Any], ack: Ack, traceparent: str) -> Ack:
    """Return the ack with its run's span, which the next attempt, or whoever looks at the dead letter, finds in the job's meta."""
    if ack.state in (State.SCHEDULED, State.DEAD):
        return replace(ack, traceparent=traceparent, meta={**job.meta, LAST_ATTEMPT: traceparent})
    return replace(ack, traceparent=traceparent)


def _links(job: Job[Any], creation: SpanContext | None) -> Iterator[Link]:
    if creation is not None:
        yield _link(creation, job.id, "creation")
    if (attempt := written(job.meta.get(LAST_ATTEMPT))) is not None:
        yield _link(attempt, job.id, "last_attempt")


def _link(to: SpanContext, job_id: int, what: str) -> Link:
    return Link(to, {semconv.MESSAGE_ID: str(job_id), semconv.LINK: what})


def _failed(span: Span, error: str, message: str, traceback: str = "") -> None:
    if not span.is_recording():
        return
    span.set_attribute(semconv.ERROR_TYPE, error)
    span.set_status(Status(StatusCode.ERROR, message or error))
    details = {semconv.EXCEPTION_TYPE: error, semconv.EXCEPTION_MESSAGE: message, semconv.EXCEPTION_STACKTRACE: traceback}
    span.add_event(semconv.EXCEPTION, {key: value for key, value in details.items() if value})


@contextmanager
def _current(span: Span) -> Iterator[None]:
    token = contexts.attach(set_span_in_context(span))
    try:
        yield
    finally:
        contexts.detach(token)
