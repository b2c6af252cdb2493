"""Traces as a collector receives them, from `tidegate enqueue` and `tidegate up` with nothing but OTEL_ variables set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from tests.support.otlp import Receiver, Span

ROOT = Path(__file__).resolve().parents[3]
YAML = """
jobs: [tests.integration.observe.traced]
poll: 0.2
queues:
  email: {consumers: 3}
  threads: {executor: thread, consumers: 1}
  analytics: {consumers: 1, demand: {max: 10}}
  heavy: {executor: process, consumers: 1}
"""
MODULE = "tests.integration.observe.traced"


class Project:
    """A folder with queues.yaml, its database, and commands run there whose spans go to a receiver."""

    def __init__(self, folder: Path, database: str, receiver: Receiver) -> None:
        self.folder, self.database, self.receiver = folder, database, receiver
        self.config = folder / "queues.yaml"
        self.config.write_text(YAML)

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        known = {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_DATABASE": self.database, **self.receiver.environment, **environ}
        done = subprocess.run(
            [sys.executable, "-m", "tidegate", *words],
            cwd=self.folder,
            env=known,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def enqueue(self, name: str, *words: str, **environ: str) -> int:
        return int(self.run("enqueue", f"{MODULE}:{name}", *words, **environ).stdout)

    def until_empty(self, **environ: str) -> list[dict[str, object]]:
        """Run a node until nothing is left, and return what it logged."""
        done = self.run("up", "--until-empty", "--metrics-port", "0", **environ)
        return [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def project(tmp_path, database):
    with Receiver() as receiver:
        yield Project(tmp_path, database, receiver)


def named(spans: list[Span], name: str) -> list[Span]:
    return sorted((span for span in spans if span.name == name), key=lambda span: span.start)


def test_one_trace_leads_from_the_enqueue_through_two_retries_to_the_dead_letter(project):
    job_id = project.enqueue("never_works", "n=3", "--priority", "5")
    lines = project.until_empty()
    spans = project.receiver.spans
    assert {span.trace for span in spans} == {spans[0].trace}, "one trace"
    trace = spans[0].trace

    [enqueue] = named(spans, "enqueue email")
    assert (enqueue.kind, enqueue.parent, enqueue.error) == ("producer", "", None)
    assert (
        enqueue.attributes.items()
        >= {
            "messaging.system": "tidegate",
            "messaging.operation.name": "enqueue",
            "messaging.operation.type": "send",
            "messaging.destination.name": "email",
            "messaging.message.id": str(job_id),
            "tidegate.job.kind": f"{MODULE}:never_works",
            "tidegate.job.priority": 5,
        }.items()
    )
    assert enqueue.attributes["server.address"]
    assert enqueue.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    assert enqueue.resource["service.name"] == "tidegate"

    fetches = named(spans, "fetch email")
    assert len(fetches) == 3
    for fetch in fetches:
        assert (fetch.kind, fetch.parent) == ("client", enqueue.id)
        assert fetch.attributes["messaging.operation.type"] == "receive"
        assert fetch.links == [(enqueue.id, {"messaging.message.id": str(job_id), "tidegate.link": "creation"})]

    attempts = named(spans, "process email")
    assert [attempt.attributes["tidegate.job.attempt"] for attempt in attempts] == [1, 2, 3]
    for attempt in attempts:
        assert (attempt.kind, attempt.parent) == ("consumer", enqueue.id)
        assert (
            attempt.attributes.items()
            >= {
                "messaging.system": "tidegate",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": "email",
                "messaging.message.id": str(job_id),
                "tidegate.job.kind": f"{MODULE}:never_works",
                "tidegate.job.outcome": "failed",
                "error.type": "ConnectionError",
            }.items()
        )
        assert attempt.error == f"no route on attempt {attempt.attributes['tidegate.job.attempt']}"
        [event] = attempt.events
        assert event["exception.type"] == "ConnectionError"
        assert "Traceback" in event["exception.stacktrace"]
    assert [attempt.attributes["tidegate.job.state"] for attempt in attempts] == ["scheduled", "scheduled", "dead"]
    assert attempts[2].attributes["tidegate.job.dead_reason"] == "attempts_exhausted"
    about = {"messaging.message.id": str(job_id)}
    creation = (enqueue.id, {**about, "tidegate.link": "creation"})
    assert attempts[0].links == [creation]
    for before, attempt in pairwise(attempts):
        assert attempt.links == [creation, (before.id, {**about, "tidegate.link": "last_attempt"})]

    told = [*named(spans, "retry email"), *named(spans, "discard email")]
    assert [span.attributes["messaging.operation.name"] for span in told] == ["retry", "retry", "discard"]
    for span, attempt in zip(told, attempts, strict=True):
        assert (span.kind, span.parent) == ("client", attempt.id)
        assert span.attributes["messaging.operation.type"] == "settle"
        assert span.links == [(attempt.id, {**about, "tidegate.link": "run"})]
        assert attempt.start <= attempt.end <= span.end

    own = named(spans, "own")
    assert [span.parent for span in own] == [attempt.id for attempt in attempts]
    said = [line for line in lines if line["logger"] == "shop"]
    assert [(line["trace_id"], line["span_id"]) for line in said] == [(trace, span.id) for span in own]

    told_of = [line["trace_id"] for line in lines if line["logger"] == "tidegate.events" and line.get("job_id") == job_id]
    assert told_of == [trace] * 3, "two retries and a death"

    [(meta, forensics)] = project.rows("SELECT meta, forensics FROM tidegate.dead_letters")
    assert isinstance(meta, dict)
    assert isinstance(forensics, dict)
    assert forensics["trace_id"] == trace
    assert (meta["traceparent"][3:35], meta["traceparent"][36:52]) == (trace, enqueue.id)
    assert meta["traceparent_of_last_attempt"][36:52] == attempts[2].id


@pytest.mark.long
@pytest.mark.parametrize(("where", "queue"), [("thread", "threads"), ("process", "heavy")])
def test_a_job_that_a_job_enqueues_elsewhere_is_in_its_trace(project, where, queue):
    name = "in_a_process" if where == "process" else "works_in_a_thread"
    project.enqueue(name, f"database={project.database}", f"config={project.config}")
    project.until_empty()
    spans = project.receiver.spans
    assert len({span.trace for span in spans}) == 1
    [process], [own] = named(spans, f"process {queue}"), named(spans, f"own in a {where}")
    [follows], [followed] = named(spans, "enqueue email"), named(spans, "process email")
    assert (own.parent, follows.parent, followed.parent) == (process.id, own.id, follows.id)
    assert process.attributes["tidegate.job.outcome"] == "done"
    assert process.error is None
    [ack] = named(spans, f"ack {queue}")
    assert ack.parent == process.id


@pytest.mark.long
def test_a_batch_is_one_run_with_a_link_to_each_enqueue_and_attempts_may_have_traces_of_their_own(project):
    project.config.write_text(f"{YAML}tracing: {{attempts: link}}\n")
    ids = [project.enqueue("together") for _ in range(2)]
    project.until_empty()
    spans = project.receiver.spans
    enqueues = named(spans, "enqueue analytics")
    [process], [fetch], [ack] = named(spans, "process analytics"), named(spans, "fetch analytics"), named(spans, "ack analytics")
    creations = [
        (span.id, {"messaging.message.id": str(job_id), "tidegate.link": "creation"})
        for job_id, span in zip(ids, enqueues, strict=True)
    ]
    assert process.links == fetch.links == creations
    assert process.attributes["messaging.batch.message_count"] == fetch.attributes["messaging.batch.message_count"] == 2
    assert [link for link, _ in ack.links] == [process.id] * 2
    assert process.parent == fetch.parent == ack.parent == ""
    assert len({span.trace for span in spans}) == 5


@pytest.mark.long
def test_what_is_not_sampled_leaves_no_spans_and_no_trace_in_the_log(project):
    never = {"OTEL_TRACES_SAMPLER": "always_off"}
    project.enqueue("never_works", "n=1", **never)
    lines = project.until_empty(**never)
    assert project.receiver.spans == []
    [(meta,)] = project.rows("SELECT meta FROM tidegate.dead_letters")
    assert isinstance(meta, dict)
    assert int(meta["traceparent"][-2:], 16) & 1 == 0
    assert "traceparent_of_last_attempt" not in meta
    assert [line for line in lines if line["logger"] == "shop"]


@pytest.mark.long
def test_without_the_variables_nothing_is_traced(project):
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    project.enqueue("follows", **off)
    project.until_empty(**off)
    assert project.receiver.spans == []
    assert project.rows("SELECT meta FROM tidegate.history") == [(None,)]


@pytest.mark.long
def test_a_collector_that_is_away_delays_nothing_for_long(project):
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    before = time.monotonic()
    project.enqueue("follows", **away)
    project.until_empty(**away)
    assert time.monotonic() - before < 60
    assert project.rows("SELECT state FROM tidegate.history") == [("completed",)]
