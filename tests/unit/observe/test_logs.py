import io
import json
import logging
import re
import subprocess
import sys
import threading
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.runs import run

from tidegate.events import Claimed, DeadLettered, JobEnded, JobRetried, NodeDown, NodeUp, QueueBroken, QueueMended
from tidegate.jobs import Failure, Job, State, Word
from tidegate.observe import logs
from tidegate.runtime.runs import Run, Runs


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def root():
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


@pytest.fixture
def no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def line(root):
    """Return what is written of a record, as JSON."""

    def written(*args, level=logging.INFO, **kwargs):
        stream = io.StringIO()
        logs.configure(stream=stream)
        logging.getLogger("shop").log(level, *args, **kwargs)
        return json.loads(stream.getvalue())

    return written


@pytest.fixture
def people(root, no_colour):
    """Return what is written of a record for people, without its time."""

    def written(*args, level=logging.INFO, **kwargs):
        stream = Terminal()
        logs.configure(stream=stream)
        logging.getLogger("shop").log(level, *args, **kwargs)
        return stream.getvalue()[len("12:00:00 ") :]

    return written


def test_json_says_when_how_bad_who_and_what(line):
    written = line("%d letters", 3, level=logging.WARNING)
    assert {key: written[key] for key in ("level", "logger", "message")} == {
        "level": "warning",
        "logger": "shop",
        "message": "3 letters",
    }
    assert written["time"].endswith("+00:00")


def test_json_has_the_fields_that_were_given(line):
    written = line("x", extra={"queue": "email", "job_id": 7, "colour": "red"})
    assert (written["queue"], written["job_id"], written["colour"]) == ("email", 7, "red")


def test_a_line_of_a_jobs_own_code_has_the_jobs_fields_unless_it_is_about_another(root, no_colour):
    stream = io.StringIO()
    logs.configure(stream=stream, as_json=True)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(7, "ml", "shop:train", b"{}", 2, None, 0, 1, 1, at, at, 0.0)
    with Runs().running(Run([job], 0.0, 1.0, 1.0)):
        logging.getLogger("shop").info("epoch 1")
        logging.getLogger("shop").info("of another", extra={"job_id": 8})
    logging.getLogger("shop").info("outside")
    inside, other, outside = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {key: inside[key] for key in ("queue", "kind", "job_id", "attempt")} == {
        "queue": "ml", "kind": "shop:train", "job_id": 7, "attempt": 2,
    }  # fmt: skip
    assert (other["job_id"], "kind" in other, "job_id" in outside) == (8, False, False)
    assert "trace_id" not in inside


def test_a_line_of_a_jobs_own_code_tells_the_trace_of_its_enqueue_where_nothing_is_recorded_here(root, no_colour):
    stream = io.StringIO()
    logs.configure(stream=stream, as_json=True)
    traced = replace(run(7).first, meta={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    with Runs().running(replace(run(7), jobs=[traced])):
        logging.getLogger("shop").info("epoch 1")
    assert json.loads(stream.getvalue())["trace_id"] == "ab" * 16


@pytest.fixture
def kept(root):
    """Return what is kept of what a job's code logs."""
    logs.keep_job_logs()

    def told(code, limit=1_000):
        of_job = replace(run(7), log_limit=limit)
        with Runs().running(of_job):
            code(logging.getLogger("shop"))
        logging.getLogger("shop").error("outside")
        return of_job.logged

    return told


def test_what_a_jobs_code_logs_is_kept_with_it_and_nothing_else(kept):
    said = kept(lambda log: log.error("%d letters", 3))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z error shop: 3 letters\n", said)


def test_a_jobs_log_has_the_fields_that_its_code_gives(kept):
    assert kept(lambda log: log.warning("charged", extra={"amount": 5})).endswith(" warning shop: charged  amount=5\n")


def test_a_jobs_log_has_its_tracebacks(kept):
    def code(log):
        try:
            raise ValueError("boom")
        except ValueError:
            log.exception("well")

    said = kept(code)
    assert "error shop: well\nTraceback" in said
    assert said.endswith("ValueError: boom\n")


def test_what_the_threads_of_a_job_log_is_kept_with_it(kept):
    def code(log):
        thread = threading.Thread(target=copy_context().run, args=(log.error, "elsewhere"))
        thread.start()
        thread.join()

    assert kept(code).endswith("error shop: elsewhere\n")


def test_a_record_that_cannot_be_written_costs_the_job_nothing(kept, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    assert kept(lambda log: log.error("%d letters", "no number")) == ""


def test_where_no_log_is_to_be_kept_none_is(kept):
    assert kept(lambda log: log.error("3 letters"), limit=0) == ""


def test_jobs_logs_are_kept_once_however_often_that_is_said(kept):
    logs.keep_job_logs()
    assert kept(lambda log: log.error("once")).count("once") == 1


def test_json_writes_what_it_cannot_express_as_text(line):
    assert line("x", extra={"path": {1}})["path"] == "{1}"


def test_json_keeps_a_traceback_in_one_line(line):
    try:
        raise ValueError("boom")
    except ValueError:
        assert line("x", exc_info=True)["exception"].endswith("ValueError: boom")


def test_a_field_cannot_replace_what_every_line_has(line):
    assert line("x", extra={"level": "fine", "time": "never"})["level"] == "info"


def test_people_see_level_message_and_the_jobs_fields(people):
    assert people("hello", extra={"job_id": 7, "queue": "email", "colour": "red"}) == "info     hello  queue=email  job_id=7\n"


def test_people_see_a_traceback_below(people):
    try:
        raise ValueError("boom")
    except ValueError:
        written = people("it failed", exc_info=True).splitlines()
    assert (written[0], written[-1]) == ("info     it failed", "    ValueError: boom")


def test_nothing_from_a_job_reaches_the_terminal_as_a_command(people):
    assert people("a\x1b[31mb\x07\x9bc", extra={"kind": "\x1b]0;x"}) == "info     a\\x1b[31mb\\x07\\x9bc  kind=\\x1b]0;x\n"


def test_a_message_cannot_look_like_a_line_of_its_own(people):
    assert people("one\n12:00:00 error two") == "info     one\n    12:00:00 error two\n"


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"TERM": "xterm"}, True)]
)
def test_a_terminal_has_colours_unless_it_does_not_want_any(root, monkeypatch, environ, coloured):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    logs.configure(stream=stream)
    logging.getLogger("shop").error("x")
    assert ("\x1b[31m" in stream.getvalue()) == coloured


@pytest.mark.parametrize(
    ("stream", "as_json", "is_json"), [(Terminal, True, True), (io.StringIO, False, False), (io.StringIO, None, True)]
)
def test_the_form_follows_the_stream_unless_it_was_chosen(root, no_colour, stream, as_json, is_json):
    out = stream()
    logs.configure(stream=out, as_json=as_json)
    logging.getLogger("shop").warning("x")
    assert out.getvalue().startswith("{") == is_json


def test_configuring_again_replaces_what_it_did(root):
    first, second = io.StringIO(), io.StringIO()
    logs.configure(stream=first)
    logs.configure(stream=second)
    logging.getLogger("shop").warning("x")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)


def test_the_level_holds_for_everything(root):
    out = io.StringIO()
    logs.configure(stream=out, level="ERROR")
    logging.getLogger("shop").warning("x")
    assert out.getvalue() == ""


def test_the_http_servers_talk_about_itself_is_not_logged(root):
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert out.getvalue() == ""


def test_importing_configures_nothing():
    code = "import logging, tidegate.observe.logs, tidegate.observe.http; print(logging.getLogger().handlers, logging.getLogger('tidegate').handlers)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[] []"


JOB = "job 7 (mail:send)"
AGAIN = "it is tried again in 4 s"


def ended(word, state):
    return JobEnded("email", "mail:send", 7, 2, word, state, 0.5)


def retried(word, failure):
    return JobRetried("email", "mail:send", 7, 2, word, 4.0, failure)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (retried(Word.FAILED, Failure("OSError", "no\nroute")), ("WARNING", f"{JOB}: failed: OSError: no route; {AGAIN}")),
        (retried(Word.TIMED_OUT, None), ("WARNING", f"{JOB}: timed out; {AGAIN}")),
        (ended(Word.DONE, State.COMPLETED), ("DEBUG", f"{JOB}: done")),
        (DeadLettered("email", "mail:send", 7, "discarded"), ("ERROR", f"{JOB} is dead: discarded")),
        (
            DeadLettered("email", "mail:send", 7, "attempts_exhausted", 3, Failure("ValueError", "")),
            ("ERROR", f"{JOB} is dead: attempts_exhausted: ValueError"),
        ),
        (NodeUp("n-1", ("email", "ml")), ("INFO", "node n-1 is in the fleet and serves email, ml")),
        (NodeDown("n-1", "it has stopped"), ("INFO", "node n-1 has left the fleet: it has stopped")),
        (QueueBroken("email", "boom", 4.0), ("ERROR", "queue email is broken (boom); it is tried again in 4.0 s")),
        (QueueMended("email"), ("WARNING", "queue email runs again")),
    ],
)
def test_what_a_person_should_know_becomes_a_line(caplog, event, said):
    caplog.set_level(logging.DEBUG, "tidegate.events")
    logs.log_event(event)
    assert [(record.levelname, record.message) for record in caplog.records] == [said]


@pytest.mark.parametrize("event", [Claimed("email", 1, 0.1), ended(Word.FAILED, State.DEAD), ended(Word.FAILED, State.SCHEDULED)])
def test_what_is_said_elsewhere_is_not_said_twice(caplog, event):
    caplog.set_level(logging.DEBUG, "tidegate.events")
    logs.log_event(event)
    assert caplog.records == []


def test_a_line_about_a_job_has_its_fields(caplog):
    caplog.set_level(logging.DEBUG, "tidegate.events")
    logs.log_event(retried(Word.FAILED, Failure("OSError", "x")))
    fields = logs.fields_of(caplog.records[0])
    job = {"queue": "email", "kind": "mail:send", "job_id": 7, "attempt": 2}
    assert fields == {**job, "outcome": "failed", "error": "OSError"}


def test_a_long_message_is_cut_in_a_line(caplog):
    logs.log_event(retried(Word.FAILED, Failure("OSError", "x" * 10_000)))
    assert len(caplog.records[0].message) < 600
