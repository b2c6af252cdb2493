"""What the words of a command line mean to a signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from tests.unit.handlers.calls import signature_with
from tests.unit.handlers.picture import picture
from tests.unit.handlers.shapes import Address, Bits, Colour, Level, Mode, Movie, Place, Point, Positive_, Size

from tidegate.errors import InvalidArguments, UsageError
from tidegate.handlers import JobContext
from tidegate.handlers.inspection import signature_of

DAY = date(2024, 2, 29)


def greet(user_id: int, locale: str = "en", *, when: date | None = None) -> None: ...


def convert(function: Callable[..., Any], *words: str, args: str | None = None, kwargs: str | None = None) -> tuple[Any, ...]:
    return signature_of(function, "shop:greet").convert(list(words), args, kwargs)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "7", 7),
        (int, "-7", -7),
        (bool, "true", True),
        (bool, "False", False),
        (bool, "1", True),
        (bool, "0", False),
        (float, "1.5", 1.5),
        (float, "7", 7.0),
        (float, "-inf", float("-inf")),
        (str, "7", "7"),
        (str, "", ""),
        (str, "null", "null"),
        (str, '"quoted"', '"quoted"'),
        (str, "a=b", "a=b"),
        (None, "null", None),
        (date, "2024-02-29", DAY),
        (datetime, "2024-02-29T12:00", datetime(2024, 2, 29, 12)),  # noqa: DTZ001
        (time, "12:30", time(12, 30)),
        (timedelta, "90", timedelta(seconds=90)),
        (timedelta, "PT1M", timedelta(minutes=1)),
        (Decimal, "1.10", Decimal("1.10")),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (bytes, "AP8=", b"\x00\xff"),
        (Path, "/a b", Path("/a b")),
        (Colour, "red", Colour.RED),
        (Colour, "RED", Colour.RED),
        (Level, "2", Level.HIGH),
        (Level, "HIGH", Level.HIGH),
        (Size, "s", Size.S),
        (Mode, "READ", Mode.READ),
        (Bits, "3", Bits.A | Bits.B),
        (Literal["a", 1], "a", "a"),
        (Literal["a", 1], "1", 1),
        (list[int], "[1, 2]", [1, 2]),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (set[date], '["2024-02-29"]', {DAY}),
        (dict[str, date], '{"a": "2024-02-29"}', {"a": DAY}),
        (dict[int, int], '{"1": 2}', {1: 2}),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (Place, "[1, 2]", Place(1.0, 2.0)),
        (Movie, '{"title": "x", "released": "2024-02-29"}', {"title": "x", "released": DAY}),
        (Address, '{"street": "x"}', Address(street="x")),
        (Positive_, "7", 7),
        (int | None, "7", 7),
        (int | None, "null", None),
        (str | None, "null", "null"),
        (str | int, "7", 7),
        (str | date, "2024-02-29", DAY),
        (str | date, "soon", "soon"),
        (Any, "7", 7),
        (Any, '{"a": 1}', {"a": 1}),
        (Any, "plain text", "plain text"),
    ],
)
def test_a_word_is_read_by_the_annotation(annotation, text, value):
    (), named = signature_with(annotation).convert([f"value={text}"], None, None)
    assert picture(named["value"]) == picture(value)


@pytest.mark.parametrize(
    ("annotation", "text", "sentence"),
    [
        (int, "abc", "value: expected int, got 'abc'"),
        (int, "1.5", "value: expected int, got '1.5'"),
        (int, "9" * 5000, "value: expected int, got "),
        (bool, "yes", "value: expected true, false, 1 or 0, got 'yes'"),
        (float, "x", "value: expected float, got 'x'"),
        (date, "yesterday", "value: expected date (YYYY-MM-DD), got 'yesterday'"),
        (Colour, "green", "value: expected Colour ('red', 'blue'), got 'green'"),
        (list[int], "1,2", "value: expected list[int], got str"),
        (list[int], '["a"]', "value[0]: expected int, got str"),
        (int | date, "x", "value: expected int | date, got 'x'"),
        (Positive_, "-1", "value: not a valid int: Input should be greater than 0"),
    ],
)
def test_a_word_that_cannot_be_read_is_named(annotation, text, sentence):
    with pytest.raises(InvalidArguments) as caught:
        signature_with(annotation).convert([f"value={text}"], None, None)
    assert caught.value.problems[0].startswith(sentence)


def test_words_are_arguments_by_name():
    assert convert(greet, "user_id=1", "when=2024-02-29") == ((), {"user_id": 1, "when": DAY})


def test_json_and_words_add_up():
    assert convert(greet, "when=2024-02-29", args="[1]", kwargs='{"locale": "de"}') == ((1,), {"locale": "de", "when": DAY})


def test_what_is_converted_can_be_encoded():
    signature = signature_of(greet, "shop:greet")
    args, kwargs = signature.convert(["user_id=1", "when=2024-02-29"], None, None)
    assert signature.encode(args, kwargs) == b'{"kwargs":{"user_id":1,"when":"2024-02-29"}}'


def test_json_is_typed_strictly():
    with pytest.raises(InvalidArguments, match="user_id: expected int, got str"):
        convert(greet, kwargs='{"user_id": "1"}')


def test_missing_and_unknown_arguments_are_named():
    with pytest.raises(InvalidArguments) as caught:
        convert(greet, "usr_id=1")
    assert caught.value.problems == ("unexpected argument 'usr_id'; did you mean 'user_id'?", "missing argument 'user_id'")


def test_a_positional_only_parameter_can_be_named_on_a_command_line():
    def handler(a: int, b: date, /, c: int = 0) -> None: ...

    assert convert(handler, "b=2024-02-29", "c=3", "a=1") == ((1, DAY), {"c": 3})


def test_words_for_keywords_are_read_by_their_annotation():
    def handler(**days: date) -> None: ...

    assert convert(handler, "first=2024-02-29") == ((), {"first": DAY})


def test_the_context_cannot_be_given_on_a_command_line():
    def handler(ctx: JobContext, a: int) -> None: ...

    assert convert(handler, "a=1") == ((), {"a": 1})
    with pytest.raises(InvalidArguments, match="the node fills in"):
        convert(handler, "a=1", "ctx=2")


@pytest.mark.parametrize("word", ["1", "=1", ""])
def test_a_word_without_a_name_is_a_usage_error_that_knows_the_way(word):
    with pytest.raises(UsageError, match="is not name=value") as caught:
        convert(greet, word)
    assert "--args" in caught.value.hint


def test_a_name_given_twice_is_a_usage_error():
    with pytest.raises(UsageError, match="user_id is given twice"):
        convert(greet, "user_id=1", "user_id=2")
    with pytest.raises(UsageError, match="user_id is given twice"):
        convert(greet, "user_id=1", kwargs='{"user_id": 2}')


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"args": "[1"}, "--args is not JSON: "),
        ({"args": "[NaN]"}, "--args is not JSON: NaN is not JSON"),
        ({"args": "{}"}, "--args is a JSON array"),
        ({"kwargs": "[]"}, "--kwargs is a JSON object"),
        ({"kwargs": "user_id=1"}, "--kwargs is not JSON: "),
    ],
)
def test_json_of_another_shape_is_a_usage_error(parts, sentence):
    with pytest.raises(UsageError) as caught:
        convert(greet, **parts)
    assert str(caught.value).startswith(sentence)
    assert caught.value.hint.startswith("for example --")
