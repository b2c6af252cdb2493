"""A call becomes a row: what its caller said, what its @job said, and nothing that was not said."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime

import pytest

from tidegate.errors import InvalidArguments, UsageError
from tidegate.handlers import Call, handler_of, job
from tidegate.jobs import NewJob

DUE = datetime(2030, 1, 1, tzinfo=UTC)


@job(queue="email", max_attempts=5, timeout=30, priority=7)
async def send(user_id: int, when: date | None = None) -> None: ...


@job
def unqueued(a: int) -> None: ...


@job(kind="short", aliases=["old"])
def renamed(a: int) -> None: ...


def plain(a: date) -> None: ...


def test_a_call_becomes_a_new_job():
    assert send.call(user_id=1).new_job(None, default_queue="first") == NewJob(
        kind=f"{__name__}:send", queue="email", args=b'{"kwargs":{"user_id":1}}', priority=7
    )


def test_what_only_the_node_needs_is_not_stored():
    assert send.call(user_id=1).new_job(None, default_queue="first").max_attempts is None


def test_everything_that_is_said_is_stored():
    call = send.call(1).options(run_at=DUE, priority=-3, queue="urgent", max_attempts=9, meta={"trace": ["a"]})
    assert call.new_job(None, default_queue="first") == NewJob(
        kind=f"{__name__}:send",
        queue="urgent",
        args=b'{"args":[1]}',
        priority=-3,
        run_at=DUE,
        max_attempts=9,
        meta={"trace": ["a"]},
    )


def test_a_priority_of_zero_is_said():
    assert send.call(1).options(priority=0).new_job(None, default_queue="first").priority == 0


def test_a_delay_is_in_seconds():
    assert send.call(1).options(delay=1.5).new_job(None, default_queue="first").delay == 1.5


@pytest.mark.parametrize(
    ("call", "queue"),
    [
        (send.call(1), "email"),
        (send.call(1).options(queue="urgent"), "urgent"),
        (unqueued.call(1), "first"),
        (unqueued.call(1).options(queue="urgent"), "urgent"),
        (Call(plain, (date.min,)), "first"),
        (Call("shop:elsewhere"), "first"),
    ],
)
def test_the_queue_is_the_callers_else_the_jobs_else_the_default(call, queue):
    assert call.new_job(None, default_queue="first").queue == queue


def test_empty_meta_is_not_stored():
    assert send.call(1).options(meta={}).new_job(None, default_queue="first").meta is None


def test_options_return_a_new_call():
    call = send.call(1)
    later = call.options(delay=5)
    assert (call.said.delay, later.said.delay, later.args) == (None, 5, (1,))


def test_options_add_up_and_none_leaves_what_was_said():
    call = send.call(1).options(delay=5, priority=1).options(priority=2, delay=None, queue="q")
    assert (call.said.delay, call.said.priority, call.said.queue) == (5, 2, "q")


def test_a_call_is_frozen():
    with pytest.raises(FrozenInstanceError):
        send.call(1).args = (2,)


def test_a_plain_function_is_enqueued_by_its_name():
    new = Call(plain, (), {"a": date.min}).new_job(None, default_queue="first")
    assert (new.kind, new.args) == (f"{__name__}:plain", b'{"kwargs":{"a":"0001-01-01"}}')


def test_a_name_with_its_handler_is_checked_and_stored_under_the_handlers_kind():
    handler = handler_of(renamed)
    assert Call("old", (1,)).new_job(handler, default_queue="first").kind == "short"
    with pytest.raises(InvalidArguments, match="short: a: expected int, got str"):
        Call("old", ("1",)).new_job(handler, default_queue="first")


def test_a_name_without_a_handler_takes_json_values_on_trust():
    new = Call("shop:elsewhere", (1, [2]), {"a": None}).new_job(None, default_queue="first")
    assert (new.kind, new.args) == ("shop:elsewhere", b'{"args":[1,[2]],"kwargs":{"a":null}}')
    with pytest.raises(InvalidArguments, match="shop:elsewhere: argument 1: date is not a JSON value"):
        Call("shop:elsewhere", (date.min,)).new_job(None, default_queue="first")


def test_arguments_that_do_not_fit_are_refused_when_the_call_becomes_a_job():
    with pytest.raises(InvalidArguments, match=f"^{__name__}:send: user_id: expected int, got str$"):
        send.call(user_id="1").new_job(None, default_queue="first")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"delay": -1}, "delay is a number of seconds, 0 or more, got -1"),
        ({"delay": float("nan")}, "delay is a number of seconds, 0 or more, got nan"),
        ({"delay": float("inf")}, "delay is a number of seconds, 0 or more, got inf"),
        ({"delay": "5"}, "delay is a number of seconds, 0 or more, got '5'"),
        ({"delay": True}, "delay is a number of seconds, 0 or more, got True"),
        ({"delay": 1e12}, "delay is in seconds, and 1000000000000.0 of them are more than a hundred years"),
        ({"run_at": 5}, "run_at is a datetime, got 5"),
        ({"run_at": "2030-01-01"}, "run_at is a datetime, got '2030-01-01'"),
        ({"run_at": datetime(2030, 1, 1)}, "run_at has no time zone: 2030-01-01T00:00:00"),  # noqa: DTZ001
        ({"run_at": datetime(9999, 12, 31, tzinfo=UTC)}, "run_at lies between the years 1 and 9999, got 9999-12-31T00:00:00+00:00"),
        ({"run_at": DUE, "delay": 0}, "delay and run_at are both given, and a job is due once"),
        ({"priority": 101}, "priority is a whole number from -100 (first) to 100 (last), got 101"),
        ({"priority": -101}, "priority is a whole number from -100 (first) to 100 (last), got -101"),
        ({"priority": True}, "priority is a whole number from -100 (first) to 100 (last), got True"),
        ({"priority": "1"}, "priority is a whole number from -100 (first) to 100 (last), got '1'"),
        ({"queue": ""}, "queue is the name of a queue, got ''"),
        ({"queue": 3}, "queue is the name of a queue, got 3"),
        ({"max_attempts": 0}, "max_attempts is a whole number from 1 to 32767, got 0"),
        ({"max_attempts": 1.0}, "max_attempts is a whole number from 1 to 32767, got 1.0"),
        ({"max_attempts": 40_000}, "max_attempts is a whole number from 1 to 32767, got 40000"),
        ({"meta": [1]}, "meta is a mapping of JSON values, got list"),
        ({"meta": {1: 2}}, "meta: a dict with keys of type int is not a JSON value"),
        ({"meta": {"a": DUE}}, "meta['a']: datetime is not a JSON value"),
        ({"meta": {"a": float("nan")}}, "meta['a']: NaN is not a JSON value"),
        ({"unique": "welcome:1"}, "unique= is not there yet: this version of Tidegate cannot keep a job unique"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_at_once(options, sentence):
    with pytest.raises(UsageError) as caught:
        send.call(1).options(**options)
    assert str(caught.value) == sentence


def test_delay_and_run_at_of_two_options_are_refused_as_well():
    with pytest.raises(UsageError, match="both given"):
        send.call(1).options(delay=1).options(run_at=DUE)


def test_meta_that_holds_itself_is_refused():
    meta = {}
    meta["a"] = meta
    with pytest.raises(UsageError, match="meta is nested too deeply, or holds itself"):
        send.call(1).options(meta=meta)
