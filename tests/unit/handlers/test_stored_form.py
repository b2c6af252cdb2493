"""What a call looks like in the table: JSON that a person would have written, tagged only where it must be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.unit.handlers.calls import signature_with
from tests.unit.handlers.shapes import Address, Colour, Mode, Place, Point, Vector

from tidegate.errors import InvalidJob
from tidegate.handlers.inspection import signature_of

DAY = date(2024, 2, 29)


def stored(annotation: Any, value: Any) -> str:
    return signature_with(annotation).encode((value,), {}).decode().removeprefix('{"args":[').removesuffix("]}")


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (date, DAY, '"2024-02-29"'),
        (datetime, datetime(2024, 2, 29, 12, tzinfo=UTC), '"2024-02-29T12:00:00+00:00"'),
        (timedelta, timedelta(minutes=90), '"PT5400S"'),
        (timedelta, -timedelta(days=2, seconds=1, microseconds=5), '"-P2DT1.000005S"'),
        (Decimal, Decimal("1.10"), '"1.10"'),
        (UUID, UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (bytes, b"\x00\xff", '"AP8="'),
        (float, float("nan"), '"NaN"'),
        (float, float("-inf"), '"-Infinity"'),
        (Colour, Colour.RED, '"red"'),
        (set[int], {3, 1}, "[1,3]"),
        (Point, Point(1, 2), '{"x":1,"y":2}'),
        (Place, Place(1.0, 2.0), '{"lat":1.0,"lon":2.0,"name":null}'),
        (Address, Address(street="a"), '{"street":"a"}'),
        (dict[int, str], {1: "a"}, '{"1":"a"}'),
        (dict[float, str], {1.5: "a"}, '[[1.5,"a"]]'),
        (str, "\x00é", '"\\u0000\\u00e9"'),
    ],
)
def test_values_are_written_as_people_write_them(annotation, value, text):
    assert stored(annotation, value) == text


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (date | datetime, DAY, '"2024-02-29"'),
        (date | datetime, datetime(2024, 2, 29), '"2024-02-29T00:00:00"'),  # noqa: DTZ001
        (date | str, "tomorrow", '"tomorrow"'),
        (Decimal | float, 1.5, "1.5"),
        (Point | Vector, Point(1, 2), '{"x":1,"y":2}'),
        (list[int] | tuple[int, ...], [1], "[1]"),
    ],
)
def test_a_union_is_written_without_a_tag_where_it_reads_back_anyway(annotation, value, text):
    assert stored(annotation, value) == text


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (date | str, "2024-02-29", '{"$is":"str","value":"2024-02-29"}'),
        (Decimal | float, float("nan"), '{"$is":"float","value":"NaN"}'),
        (Point | Vector, Vector(1, 2), '{"$is":"Vector","value":{"x":1,"y":2}}'),
        (list[int] | tuple[int, ...], (1,), '{"$is":"tuple[int, ...]","value":[1]}'),
    ],
)
def test_a_union_is_tagged_where_it_would_read_back_as_something_else(annotation, value, text):
    assert stored(annotation, value) == text


def test_a_tag_is_a_name_so_that_a_union_may_grow_while_jobs_wait():
    old, new = signature_with(list[int] | tuple[int, ...]), signature_with(set[int] | tuple[int, ...] | list[int])
    assert new.decode(old.encode(((1,),), {})) == (((1,),), {})


def test_arguments_stay_positional_or_named_as_they_came():
    def handler(a: int, b: int, c: int = 3) -> None: ...

    signature = signature_of(handler, "shop:handler")
    assert signature.encode((1,), {"b": 2}) == b'{"args":[1],"kwargs":{"b":2}}'
    assert signature.decode(b'{"args":[1],"kwargs":{"b":2}}') == ((1,), {"b": 2})


def test_empty_parts_are_left_out():
    def handler(a: int = 1) -> None: ...

    signature = signature_of(handler, "shop:handler")
    assert signature.encode((), {}) == b"{}"
    assert signature.decode(b"{}") == ((), {})


def test_defaults_are_not_stored():
    def handler(a: int, b: date = DAY) -> None: ...

    assert signature_of(handler, "shop:handler").encode((1,), {}) == b'{"args":[1]}'


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Decimal, "1.1", Decimal("1.1")),
        (Decimal, "7", Decimal(7)),
        (float, "7", 7.0),
        (timedelta, "90", timedelta(seconds=90)),
        (timedelta, '"P1W"', timedelta(weeks=1)),
        (timedelta, '"PT1H30M"', timedelta(minutes=90)),
        (datetime, '"2024-02-29 12:00"', datetime(2024, 2, 29, 12)),  # noqa: DTZ001
        (datetime, '"2024-02-29T12:00:00Z"', datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (Place, "[1.5, 2]", Place(1.5, 2.0)),
        (bytes, '"-_8="', b"\xfb\xff"),
        (UUID, '"00000000000000000000000000000001"', UUID(int=1)),
        (Decimal | date, "1.5", Decimal("1.5")),
        (list[int] | set[int], " [1] ", [1]),
    ],
)
def test_json_written_by_hand_is_read_with_some_leniency(annotation, text, value):
    back = signature_with(annotation).decode(b'{"args": [%s]}' % text.encode())[0][0]
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize(
    ("annotation", "text", "words"),
    [
        (int, '"1"', "value: expected int, got str"),
        (int, "true", "value: expected int, got bool"),
        (int, "1.0", "value: expected int, got float"),
        (bool, "1", "value: expected bool, got int"),
        (str, "1", "value: expected str, got int"),
        (float, "1e400", "value: expected float, got inf"),
        (date, '"2024-02-30"', "value: expected date (YYYY-MM-DD), got '2024-02-30'"),
        (datetime, '"2024-02-29"', "value: expected datetime (YYYY-MM-DDTHH:MM:SS), got '2024-02-29'"),
        (datetime, '"2024-02-29T12:00:00[Mars/Olympus]"', "value: expected datetime"),
        (datetime, '"2024-02-29T12:00:00[../../etc/passwd]"', "value: expected datetime"),
        (UUID, '"x"', "value: expected UUID"),
        (Decimal, '"x"', "value: expected Decimal"),
        (bytes, '"?"', "value: expected bytes (base64)"),
        (Colour, '"green"', "value: expected Colour ('red', 'blue'), got 'green'"),
        (Mode, "99", "value: expected Mode, got 99"),
        (tuple[int, str], '{"0": 1}', "value: expected tuple[int, str], got dict"),
        (Point, '{"x": 1}', "value: Point lacks y"),
        (Point, '{"x": 1, "y": 2, "z": 3}', "value: Point has no field 'z'"),
        (Point, '{"x": 1, "y": "2"}', "value.y: expected int, got str"),
        (list[int], '{"0": 1}', "value: expected list[int], got dict"),
        (dict[float, int], '{"1.5": 1}', "as an array of [key, value]"),
        (set[int], "[[]]", "value[0]: expected int, got list"),
        (set[Any], "[[]]", "value: expected set[Any]: unhashable type: 'list'"),
        (date | int, '{"$is": "Decimal", "value": "1"}', "value: expected date | int, got {'$is'"),
        (date | str, '{"$is": "Decimal", "value": "1"}', "value: expected date | str, got the tag 'Decimal'"),
        (int | str, "[]", "value: expected int | str, got []"),
    ],
)  # fmt: skip
def test_stored_arguments_that_do_not_fit_are_an_invalid_job_that_says_where(annotation, text, words):
    with pytest.raises(InvalidJob) as caught:
        signature_with(annotation).decode(b'{"args": [%s]}' % text.encode())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"1", b'{"args": {}}', b'{"kwargs": []}', b'{"args": [1], "more": 1}', b'{"args": [NaN]}', b"\xff", b"null", b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_call_at_all_is_an_invalid_job(data):
    with pytest.raises(InvalidJob, match=r"^shop:handler: its stored arguments do not decode: ."):
        signature_with(int).decode(data)


def test_stored_arguments_of_an_older_signature_are_an_invalid_job_that_names_the_parameter():
    def handler(user_id: int) -> None: ...

    with pytest.raises(InvalidJob) as caught:
        signature_of(handler, "shop:handler").decode(b'{"kwargs": {"user": 1}}')
    assert str(caught.value).endswith("unexpected argument 'user'; did you mean 'user_id'?; missing argument 'user_id'")
