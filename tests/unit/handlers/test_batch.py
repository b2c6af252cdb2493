"""A batch handler takes many jobs in one call; each is enqueued by the fields of its item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NotRequired, TypedDict

import pytest
from pydantic import BaseModel, Field
from tests.unit.handlers.picture import picture
from tests.unit.handlers.shapes import Box

from tidegate.errors import ConfigurationError, InvalidArguments, InvalidJob
from tidegate.handlers import JobContext, handler_of, job
from tidegate.jobs import Job, Outcome


@dataclass(frozen=True)
class Event:
    name: str
    day: date | str
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    a: date
    b: NotRequired[int]


class Reading(BaseModel):
    n: int = Field(gt=0)
    day: date | None = None


@job(queue="analytics", batch=100)
async def events(jobs: list[Job[Event]]) -> dict[int, Outcome] | None: ...


@job(batch=10)
def rows(jobs: list[Job[Row]], ctx: JobContext) -> None: ...


@job(batch=10)
def readings(ctx: JobContext, jobs: Sequence[Job[Reading]]) -> list[Any]:
    return [ctx, *jobs]


@job(batch=10)
def boxes(jobs: list[Job[Box[date]]]) -> None: ...


@job(batch=10)
def untyped(jobs: list[Job]) -> None: ...  # type: ignore[type-arg]


@job(batch=10)
def unannotated(jobs): ...


@job(batch=10)
def anything(jobs: list[Job[Any]]) -> None: ...


DAY = date(2024, 2, 29)


@pytest.mark.parametrize(
    ("function", "fields", "item"),
    [
        (events, {"name": "x", "day": DAY}, Event("x", DAY)),
        (events, {"name": "x", "day": "2024-02-29", "tags": ["a"]}, Event("x", "2024-02-29", ["a"])),
        (rows, {"a": DAY}, {"a": DAY}),
        (rows, {"a": DAY, "b": 1}, {"a": DAY, "b": 1}),
        (readings, {"n": 1, "day": DAY}, Reading(n=1, day=DAY)),
        (boxes, {"item": DAY, "more": [DAY]}, Box(DAY, [DAY])),
        (untyped, {"a": [1]}, {"a": [1]}),
        (unannotated, {"a": [1]}, {"a": [1]}),
        (anything, {}, {}),
    ],
)
def test_the_fields_of_a_call_come_back_as_one_item(function, fields, item):
    signature = handler_of(function).signature
    new = function.call(**fields).new_job(None, default_queue="first")
    ((back,), named) = signature.decode(new.args)
    assert (picture(back), named) == (picture(item), {})


def test_the_fields_are_stored_as_named_arguments():
    new = events.call(name="x", day=DAY).new_job(None, default_queue="first")
    assert new.args == b'{"kwargs":{"name":"x","day":"2024-02-29"}}'


def test_a_batch_handler_knows_its_largest_batch():
    assert (handler_of(events).batch, handler_of(events).is_async) == (100, True)


def test_a_batch_handler_may_take_the_context():
    assert handler_of(readings).wants_context == "ctx"
    assert handler_of(readings).invoke((["job"],), {}, "context") == ["context", "job"]


@pytest.mark.parametrize(
    ("call", "problems"),
    [
        (events.call(name=1, day=DAY), ("name: expected str, got int",)),
        (events.call(nam="x", day=DAY), ("unexpected argument 'nam'; did you mean 'name'?", "missing argument 'name'")),
        (events.call("x", day=DAY, name="x"), ("takes at most 0 arguments by position, got 1",)),
        (rows.call(b=1), ("missing argument 'a'",)),
        (readings.call(n=0), ("not a valid Reading: n: Input should be greater than 0",)),
        (readings.call(n="1"), ("n: expected int, got str",)),
        (untyped.call(a=DAY), ("a: date is not a JSON value",)),
    ],
)
def test_a_call_that_does_not_fit_the_item_is_named(call, problems):
    with pytest.raises(InvalidArguments) as caught:
        call.new_job(None, default_queue="first")
    assert caught.value.problems == problems


def test_a_stored_item_that_breaks_its_rules_is_an_invalid_job():
    with pytest.raises(InvalidJob, match="not a valid Reading: n: Input should be greater than 0"):
        handler_of(readings).signature.decode(b'{"kwargs":{"n":-1}}')


def test_the_words_of_a_command_line_are_fields():
    assert handler_of(events).signature.convert(["name=x", "day=2024-02-29"], None, None) == ((), {"name": "x", "day": DAY})


def no_parameter() -> None: ...
def two_parameters(jobs: list[Job[Event]], more: int) -> None: ...
def no_list(jobs: Job[Event]) -> None: ...
def no_jobs(jobs: list[Event]) -> None: ...
def of_numbers(jobs: list[Job[int]]) -> None: ...
def of_either(jobs: list[Job[Event | Reading]]) -> None: ...
def keyword_only(*, jobs: list[Job[Event]]) -> None: ...
def variadic(*jobs: Job[Event]) -> None: ...


@pytest.mark.parametrize(
    "function", [no_parameter, two_parameters, no_list, no_jobs, of_numbers, of_either, keyword_only, variadic]
)
def test_a_batch_handler_of_another_form_is_refused_with_the_right_one(function):
    with pytest.raises(ConfigurationError, match=r"a batch handler takes one parameter: list\[Job\[X\]\]") as caught:
        handler_of(job(batch=5)(function))
    assert f"{__name__}:{function.__name__} ({__file__}:" in str(caught.value)


def unresolved(jobs: list[Job[Nowhere]]) -> None: ...  # noqa: F821 - that is the point


def test_an_item_that_cannot_be_evaluated_is_named():
    with pytest.raises(
        ConfigurationError, match=r"'list\[Job\[Nowhere\]\]' of 'jobs' cannot be evaluated \(name 'Nowhere' is not defined\)"
    ):
        handler_of(job(batch=5)(unresolved))
