"""What a pipeline may say, and how its steps see a job."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import pytest

from tidegate import Job, job, pipeline
from tidegate.errors import ConfigurationError, InvalidArguments, UnknownQueue
from tidegate.handlers import Handlers, argument, arguments_of, handler_of, with_arguments
from tidegate.pipelines import BatchBy, Enrich, Filter, PartitionBy


def some(job):
    return {}


@pipeline("email")
def good():
    """Two steps."""
    yield Filter(some)
    yield PartitionBy("user")


def test_a_pipeline_is_still_its_function():
    assert (good.__name__, good.__doc__, good.queue) == ("good", "Two steps.", "email")
    assert list(good()) == list(good.steps())
    assert repr(good).startswith("<pipeline of email at ")
    assert good.place.endswith(f":{good._function.__code__.co_firstlineno}")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([BatchBy("a"), Filter(some)], "BatchBy must be the last step"),
        ([PartitionBy("a"), BatchBy("a")], "PartitionBy must be the last step"),
        ([some], "is no step"),
    ],
    ids=["after a batch", "after lanes", "a function"],
)
def test_steps_that_cannot_follow_each_other_are_refused(steps, message):
    with pytest.raises(ConfigurationError, match=message):
        pipeline("email")(lambda: steps).steps()


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda: 1 / 0, "ZeroDivisionError: division by zero"), (lambda: None, "TypeError"), (lambda queue: [], "TypeError")],
    ids=["raises", "returns nothing", "wants something"],
)
def test_a_function_that_makes_no_steps_is_refused(function, message):
    with pytest.raises(ConfigurationError, match=f"makes no steps: {message}"):
        pipeline("email")(function).steps()


def test_a_step_that_cannot_be_is_told_with_its_place():
    with pytest.raises(ConfigurationError, match=r"^<pipeline of email at .*>: BatchBy\(size=0\)"):
        pipeline("email")(lambda: [BatchBy("a", size=0)]).steps()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Enrich("country"), r"Enrich\('country'\): a function of the job"),
        (lambda: Filter(some, at_once=0), r"Filter\(at_once=0\): a number of jobs, one or more"),
        (lambda: Filter(some, timeout=0), r"Filter\(timeout=0\): None or a number of seconds above 0"),
        (lambda: Enrich(some, into="results"), r"Enrich\(into='results'\): a job has 'meta' and 'args'"),
        (lambda: BatchBy(""), r"BatchBy\(''\): the name of an argument, or a function of the job"),
        (lambda: BatchBy("a", size=0), r"BatchBy\(size=0\): a number of jobs, one or more"),
        (lambda: BatchBy("a", timeout=0), r"BatchBy\(timeout=0\): a number of seconds above 0"),
        (lambda: PartitionBy(7), r"PartitionBy\(7\): the name of an argument, or a function of the job"),
        (lambda: PartitionBy("a", ahead=0), r"PartitionBy\(ahead=0\): a number of jobs, one or more"),
        (lambda: pipeline(good), r'@pipeline names its queue: @pipeline\("analytics"\)'),
        (lambda: pipeline(""), "@pipeline names its queue"),
    ],
)
def test_a_step_that_cannot_be_is_refused_where_it_is_said(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


@pytest.fixture
def modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(f"from tidegate import pipeline\nfrom tidegate.pipelines import *\n{text}\n")
            written.append(name)
        return Handlers(list(texts))

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_pipelines_are_found_in_the_jobs_modules(modules):
    handlers = modules(one_line="@pipeline('email')\ndef steps():\n    return []")
    assert handlers.pipeline("email").queue == "email"
    assert handlers.pipeline("other") is None
    handlers.check_queues(["email"])


def test_a_pipeline_that_two_modules_know_is_one(modules):
    handlers = modules(its_home="@pipeline('email')\ndef steps():\n    return []", its_guest="from its_home import steps")
    assert handlers.pipeline("email").queue == "email"


def test_a_pipeline_of_an_undeclared_queue_is_refused(modules):
    handlers = modules(odd_line="@pipeline('emial')\ndef steps():\n    return []")
    with pytest.raises(UnknownQueue, match="emial"):
        handlers.check_queues(["email"])


def test_steps_that_cannot_be_are_refused_before_a_node_starts(modules):
    handlers = modules(bad_line="@pipeline('email')\ndef steps():\n    return [BatchBy('a'), BatchBy('a')]")
    with pytest.raises(ConfigurationError, match="BatchBy must be the last step"):
        handlers.check_queues(["email"])


def test_two_pipelines_of_one_queue_are_refused(modules):
    with pytest.raises(ConfigurationError, match=r"queue email has two pipelines: .*first_line\.py:3 and .*second_line\.py:3"):
        modules(**dict.fromkeys(("first_line", "second_line"), "@pipeline('email')\ndef steps():\n    return []"))


@job
async def plain(a: int, b: str = "b", *rest: int, c: int = 3, **others: int) -> None: ...


@job
async def by_place(a: int, /, b: int) -> None: ...


@dataclass(frozen=True)
class Item:
    user: int
    size: int = 1


class Fields(TypedDict):
    user: int


@job(batch=5)
async def items(jobs: list[Job[Item]]) -> None: ...


@job(batch=5)
async def fields(jobs: list[Job[Fields]]) -> None: ...


def stored(function, *args, **kwargs):
    handler = handler_of(function)
    return handler, handler.signature.encode(args, kwargs)


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        (stored(plain, 1, c=4), {"a": 1, "c": 4}),
        (stored(plain, 1, "x", 5, 6, d=7), {"a": 1, "b": "x", 2: 5, 3: 6, "d": 7}),
        (stored(by_place, 1, b=2), {"a": 1, "b": 2}),
        (stored(items, user=1), Item(1)),
        (stored(fields, user=1), {"user": 1}),
    ],
)
def test_a_step_sees_arguments_by_name_or_the_item(call, seen):
    assert arguments_of(*call) == seen
    name = "user" if not isinstance(seen, Mapping) or "user" in seen else "a"
    assert argument(seen, name) == 1


@pytest.mark.parametrize(
    ("call", "more", "seen"),
    [
        (stored(plain, 1, c=4), {"c": 5, "b": "y"}, {"a": 1, "b": "y", "c": 5}),
        (stored(plain, 1, "x"), {"a": 2, "b": "y"}, {"a": 2, "b": "y"}),
        (stored(by_place, 1, b=2), {"a": 7}, {"a": 7, "b": 2}),
        (stored(items, user=1), {"size": 9}, Item(1, 9)),
        (stored(fields, user=1), {"user": 2}, {"user": 2}),
    ],
)
def test_arguments_may_be_added_and_replaced(call, more, seen):
    handler, data = call
    assert arguments_of(handler, with_arguments(handler, data, more)) == seen


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(InvalidArguments, match="a"):
        with_arguments(*stored(plain, 1), {"a": "a word"})
