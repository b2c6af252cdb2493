"""Spans as an SDK in memory has them. What a collector receives of a whole node is in tests/integration/observe/test_traces.py."""

from datetime import UTC, datetime

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode

from tidegate.events import Acked, Claimed, NodeLost
from tidegate.jobs import Failure, Job, NewJob, Reason, State, Word
from tidegate.lifecycle import Ack
from tidegate.settings.observing import Tracing
from tidegate.spans import LAST_ATTEMPT, carried, entered, found, ids_now, sampled_trace, trace_of
from tidegate.spans.carrier import drops_unsampled, is_unsampled
from tidegate.spans.recorder import Recorder

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Stage:
    """A recorder, and the spans that it ended."""

    def __init__(self, sampler=None, **options):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.recorder = Recorder(self.provider, Tracing(**options), database="postgresql://me:s3cret@db.example:5433/shop")

    def __getitem__(self, name):
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def enqueue(self, *jobs, ids=(7,)):
        with self.recorder.enqueue(list(jobs)) as sent:
            sent.ids = ids
        return sent.jobs


@pytest.fixture
def stage():
    return Stage()


def new(queue="email", kind="mail:send", **more):
    return NewJob(kind, queue, b"{}", **more)


def claimed(meta, job_id=7, attempt=1, kind="mail:send"):
    return Job(job_id, "email", kind, b"{}", attempt, 3, 0, attempt, 1, AT, AT, 0.25, meta=meta)


def ack(state=State.COMPLETED, word=Word.DONE, **more):
    return Ack(7, 1, state, word, **more)


def run(stage, meta, *acks):
    job = claimed(meta)
    with stage.recorder.process([job]) as span:
        told = span.told([job] * len(acks), acks)
    [process] = stage["process email"][-1:]
    return process, told


def links(span):
    return [(link.context.span_id, link.attributes["tidegate.link"]) for link in span.links]


# Where jobs are enqueued.


def test_an_enqueue_is_under_what_is_current_and_is_current_itself(stage):
    tracer = stage.provider.get_tracer("shop")
    with tracer.start_as_current_span("sign up") as outer, stage.recorder.enqueue([new()]) as sent:
        tracer.start_span("insert").end()
        sent.ids = [7]
    [enqueue], [insert] = stage["enqueue email"], stage["insert"]
    assert enqueue.parent.span_id == outer.get_span_context().span_id
    assert insert.parent.span_id == enqueue.context.span_id
    assert (enqueue.kind, enqueue.attributes["messaging.message.id"]) == (SpanKind.PRODUCER, "7")


def test_the_address_of_the_database_is_told_without_its_password(stage):
    stage.enqueue(new())
    attributes = stage["enqueue email"][0].attributes
    assert (attributes["server.address"], attributes["server.port"]) == ("db.example", 5433)
    assert "s3cret" not in str(attributes)


def test_what_the_enqueuer_said_is_told(stage):
    stage.enqueue(new(delay=60.0, priority=-5, max_attempts=9))
    stage.enqueue(new(run_at=AT))
    first, second = (span.attributes for span in stage["enqueue email"])
    assert (first["tidegate.job.delay"], first["tidegate.job.priority"], first["tidegate.job.max_attempts"]) == (60, -5, 9)
    assert second["tidegate.job.scheduled_at"] == "2026-01-01T00:00:00+00:00"


def test_the_jobs_carry_the_spans_context_and_what_they_had(stage):
    [job] = stage.enqueue(new(meta={"tenant": 5}))
    [span] = stage["enqueue email"]
    assert job.meta == {
        "traceparent": f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{job.meta['traceparent'][-2:]}",
        "tenant": 5,
    }
    assert sampled_trace(job.meta) == f"{span.context.trace_id:032x}"


def test_a_context_that_the_caller_gave_himself_is_kept(stage):
    given = "00-11111111111111111111111111111111-2222222222222222-01"
    [job] = stage.enqueue(new(meta={"traceparent": given}))
    assert job.meta["traceparent"] == given


def test_baggage_travels_with_the_job(stage):
    token = context.attach(baggage.set_baggage("tenant", "5"))
    try:
        [job] = stage.enqueue(new())
    finally:
        context.detach(token)
    with stage.recorder.process([claimed(job.meta)]):
        assert baggage.get_baggage("tenant") == "5"
    assert baggage.get_baggage("tenant") is None


def test_an_enqueue_of_many_is_one_span_for_each_queue_and_jobs_share_it(stage):
    jobs = stage.enqueue(new(), new("ml", "ml:train"), new(), ids=(1, 2, 3))
    [email], [ml] = stage["enqueue email"], stage["enqueue ml"]
    assert [job.meta["traceparent"][36:52] for job in jobs] == [f"{span.context.span_id:016x}" for span in (email, ml, email)]
    assert (email.attributes["messaging.batch.message_count"], email.attributes["tidegate.job.kind"]) == (2, "mail:send")
    assert "messaging.message.id" not in email.attributes


def test_different_kinds_of_many_are_not_told(stage):
    stage.enqueue(new(), new(kind="mail:read"), ids=(1, 2))
    assert "tidegate.job.kind" not in stage["enqueue email"][0].attributes


def test_each_job_may_have_a_span_of_its_own():
    stage = Stage(create_spans=True)
    jobs = stage.enqueue(new(), new(), ids=(1, 2))
    creates, [enqueue] = stage["create email"], stage["enqueue email"]
    assert [job.meta["traceparent"][36:52] for job in jobs] == [f"{span.context.span_id:016x}" for span in creates]
    assert (creates[0].kind, enqueue.kind) == (SpanKind.PRODUCER, SpanKind.CLIENT)
    assert [link.context.span_id for link in enqueue.links] == [span.context.span_id for span in creates]


def test_an_insert_that_fails_is_told(stage):
    with pytest.raises(ConnectionError), stage.recorder.enqueue([new(), new("ml")]):
        raise ConnectionError("no route")
    for name in ("enqueue email", "enqueue ml"):
        [span] = stage[name]
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no route")
        assert span.attributes["error.type"] == "ConnectionError"


# Where they run.


@pytest.mark.parametrize(("attempts", "same_trace"), [("parent", True), ("link", False)])
def test_a_run_is_linked_to_its_enqueue_and_under_it_if_so_wished(attempts, same_trace):
    stage = Stage(attempts=attempts)
    [job] = stage.enqueue(new())
    process, _ = run(stage, job.meta, ack())
    [enqueue] = stage["enqueue email"]
    assert links(process) == [(enqueue.context.span_id, "creation")]
    assert (process.context.trace_id == enqueue.context.trace_id) == same_trace
    assert (process.parent is not None) == same_trace


def test_a_run_without_a_context_is_a_trace_of_its_own(stage):
    process, _ = run(stage, {}, ack())
    assert (process.parent, process.links) == (None, ())


@pytest.mark.parametrize(
    "garbage", [5, "", "00-zz", None, ["x"], {"a": 1}, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 10_000]
)
def test_a_context_that_is_none_is_ignored(stage, garbage):
    process, _ = run(stage, {"traceparent": garbage, "tracestate": garbage, "baggage": garbage, LAST_ATTEMPT: garbage}, ack())
    assert (process.parent, process.links) == (None, ())
    stage.recorder.on_event(Claimed("email", 1, 0.1, [(7, {"traceparent": garbage})]))
    assert stage["fetch email"] == []


def test_the_next_attempt_is_linked_to_the_one_before(stage):
    [job] = stage.enqueue(new())
    failure = Failure("ValueError", "no", "Traceback ...")
    first, [told] = run(stage, job.meta, ack(State.SCHEDULED, Word.FAILED, failure=failure))
    second, _ = run(stage, told.meta, ack())
    assert links(second)[1] == (first.context.span_id, "last_attempt")
    assert {key: value for key, value in told.meta.items() if key != LAST_ATTEMPT} == job.meta
    assert told.traceparent == told.meta[LAST_ATTEMPT]


def test_a_run_that_went_well_leaves_the_jobs_meta_as_it_was(stage):
    process, [told] = run(stage, {}, ack())
    assert told.meta is None
    assert trace_of(told.traceparent) == f"{process.context.trace_id:032x}"
    assert process.status.status_code is StatusCode.UNSET


def test_a_failure_is_told_with_its_traceback(stage):
    failure = Failure("ValueError", "no", "Traceback ...")
    dead = ack(State.DEAD, Word.FAILED, failure=failure, reason=Reason.ATTEMPTS_EXHAUSTED)
    process, [told] = run(stage, {}, dead)
    assert (process.status.status_code, process.status.description) == (StatusCode.ERROR, "no")
    attributes = process.attributes
    assert attributes["error.type"] == "ValueError"
    assert (attributes["tidegate.job.outcome"], attributes["tidegate.job.state"]) == ("failed", "dead")
    assert attributes["tidegate.job.dead_reason"] == "attempts_exhausted"
    [event] = process.events
    assert dict(event.attributes) == {
        "exception.type": "ValueError",
        "exception.message": "no",
        "exception.stacktrace": "Traceback ...",
    }
    assert LAST_ATTEMPT in told.meta


@pytest.mark.parametrize(
    ("state", "word"), [(State.CANCELLED, Word.CANCELLED), (State.READY, Word.RELEASED)], ids=["cancelled", "released"]
)
def test_what_is_no_failure_is_no_error(stage, state, word):
    process, _ = run(stage, {}, ack(state, word, failure=Failure("Cancel", "no more needed")))
    assert process.status.status_code is StatusCode.UNSET
    assert process.attributes["tidegate.job.outcome"] == word.value


def test_a_run_that_is_cut_off_ends_its_span(stage):
    with pytest.raises(KeyboardInterrupt), stage.recorder.process([claimed({})]):
        raise KeyboardInterrupt
    [process] = stage["process email"]
    assert process.attributes["error.type"] == "KeyboardInterrupt"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_batch_is_one_run_with_links_and_tells_each_outcome(stage):
    metas = [stage.enqueue(new())[0].meta for _ in range(2)]
    jobs = [claimed(meta, job_id) for job_id, meta in enumerate(metas)]
    with stage.recorder.process(jobs) as span:
        told = span.told(jobs, [ack(), ack(State.DEAD, Word.DISCARDED, failure=Failure("Dead", "no"), reason=Reason.DISCARDED)])
    [process] = stage["process email"]
    assert process.parent is None
    assert [what for _, what in links(process)] == ["creation"] * 2
    assert process.attributes["messaging.batch.message_count"] == 2
    assert process.attributes["tidegate.job.outcome"] == "discarded,done"
    assert [each.meta is None for each in told] == [True, False]


def test_what_is_not_sampled_changes_no_ack():
    stage = Stage(ALWAYS_OFF)
    [job] = stage.enqueue(new())
    assert sampled_trace(job.meta) is None
    failed = ack(State.SCHEDULED, Word.FAILED, failure=Failure("ValueError", "no"))
    with stage.recorder.process([claimed(job.meta)]) as span:
        assert span.told([claimed(job.meta)], [failed]) == [failed]
    stage.recorder.on_event(Claimed("email", 1, 0.1, [(7, job.meta)]))
    assert stage.exporter.get_finished_spans() == ()


# After the fact.


def test_a_claim_that_brought_one_job_is_in_its_trace(stage):
    [job] = stage.enqueue(new())
    stage.recorder.on_event(Claimed("email", 1, 0.5, [(7, job.meta)]))
    [enqueue], [fetch] = stage["enqueue email"], stage["fetch email"]
    assert (fetch.kind, fetch.parent.span_id) == (SpanKind.CLIENT, enqueue.context.span_id)
    assert fetch.end_time - fetch.start_time == 500_000_000
    assert fetch.attributes["messaging.message.id"] == "7"


def test_a_claim_that_brought_many_is_linked_to_those_that_are_traced(stage):
    metas = [stage.enqueue(new())[0].meta for _ in range(2)]
    stage.recorder.on_event(Claimed("email", 5, 0.5, list(enumerate(metas))))
    [fetch] = stage["fetch email"]
    assert fetch.parent is None
    assert fetch.attributes["messaging.batch.message_count"] == 5
    assert [link.attributes["messaging.message.id"] for link in fetch.links] == ["0", "1"]


def test_acks_are_told_by_what_they_do(stage):
    _, [told] = run(stage, {}, ack())
    states = (State.COMPLETED, State.CANCELLED, State.SCHEDULED, State.DEAD, State.READY)
    stage.recorder.on_event(Acked("email", 9, 0.5, [(n, state, told.traceparent) for n, state in enumerate(states)]))
    [acked], [retried], [discarded] = stage["ack email"], stage["retry email"], stage["discard email"]
    [process] = stage["process email"]
    assert acked.parent is None
    assert acked.attributes["messaging.batch.message_count"] == 2
    assert [what for _, what in links(acked)] == ["run"] * 2
    assert retried.parent.span_id == discarded.parent.span_id == process.context.span_id


@pytest.mark.parametrize(
    "event", [Claimed("email", 0, 0.1), Acked("email", 3, 0.1), NodeLost("n"), Acked("email", 1, 0.1, [(1, State.DEAD, "?")])]
)
def test_what_concerns_no_trace_leaves_none(stage, event):
    stage.recorder.on_event(event)
    assert stage.exporter.get_finished_spans() == ()


def test_a_job_whose_trace_is_not_recorded_needs_no_span_and_its_handlers_spans_are_not_recorded_either():
    stage = Stage(ParentBased(ALWAYS_ON))
    unsampled = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-00"}
    with stage.recorder.process([claimed(unsampled)]) as span:
        assert ids_now() == ("1" * 32, "2" * 16)
        stage.provider.get_tracer("shop").start_span("own").end()
        assert span.told([claimed(unsampled)], [ack()]) == [ack()]
    assert ids_now() is None
    stage.recorder.on_event(Claimed("email", 1, 0.1, [(7, unsampled)]))
    assert stage.exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("sampler", "drops"),
    [
        (ParentBased(ALWAYS_ON), True),
        (ParentBased(TraceIdRatioBased(0.5)), True),
        (ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON), False),
        (ALWAYS_ON, False),
        (TraceIdRatioBased(0.5), False),
    ],
    ids=["parent", "parent by ratio", "parent, and yet", "always", "by ratio"],
)
def test_a_sampler_is_asked_what_it_does_without_the_parent(sampler, drops):
    assert drops_unsampled(TracerProvider(sampler=sampler)) == drops


def test_a_provider_that_is_not_the_sdks_is_not_second_guessed():
    assert drops_unsampled(object()) is False


def test_a_sampler_that_does_not_follow_the_parent_decides_itself():
    stage = Stage(ALWAYS_ON)
    process, _ = run(stage, {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-00"}, ack())
    assert process.context.trace_flags.sampled


@pytest.mark.parametrize(
    ("meta", "unsampled"),
    [
        ({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-00"}, True),
        ({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-02"}, True),
        ({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}, False),
        ({"traceparent": "01-" + "1" * 32 + "-" + "2" * 16 + "-00"}, False),
        ({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-00", "baggage": "tenant=5"}, False),
        ({"traceparent": 0}, False),
        ({}, False),
    ],
)
def test_by_a_look_only_what_is_sure_is_told_as_unsampled(meta, unsampled):
    assert is_unsampled(meta) == unsampled


def test_where_other_propagators_are_configured_these_are_asked(monkeypatch):
    monkeypatch.setattr(propagate, "get_global_textmap", W3CBaggagePropagator)
    assert not is_unsampled({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-00"})


# Around it.


def test_without_an_sdk_nothing_is_found(monkeypatch):
    assert found(Tracing()) is None
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    assert found(Tracing()) is None


def test_an_sdk_is_found(monkeypatch, stage):
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: stage.provider)
    assert isinstance(found(Tracing(), database=""), Recorder)


def test_without_opentelemetry_nothing_is_asked(monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "opentelemetry.trace")
    assert found(Tracing()) is None
    assert carried() == {}
    assert ids_now() is None
    with entered({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}):
        pass


def test_a_context_is_handed_to_another_process_as_text(stage):
    assert carried() == {}
    assert ids_now() is None
    with stage.recorder.process([claimed({})]):
        carrier, ids = carried(), ids_now()
    with entered(carrier):
        assert ids_now() == ids
        stage.provider.get_tracer("child").start_span("own").end()
    assert ids_now() is None
    [process], [own] = stage["process email"], stage["own"]
    assert own.parent.span_id == process.context.span_id
    with entered({}):
        assert ids_now() is None


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (None, None),
        ("", None),
        ("00-" + "1" * 32 + "-" + "2" * 16 + "-00", None),
        ("00-" + "1" * 32 + "-" + "2" * 16 + "-zz", None),
        ("00-" + "1" * 32 + "-" + "2" * 16 + "-01", "1" * 32),
        ("00-" + "1" * 32 + "-" + "2" * 16 + "-03", "1" * 32),
    ],
)
def test_the_trace_of_a_traceparent_is_told_where_it_is_sampled(traceparent, trace_id):
    assert trace_of(traceparent) == trace_id
    assert sampled_trace({"traceparent": traceparent}) == trace_id
