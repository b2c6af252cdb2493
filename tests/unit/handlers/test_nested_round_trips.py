"""Whatever can be annotated, nested however deep, comes back as the same types and values."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Union
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.handlers.calls import signature_with
from tests.unit.handlers.picture import picture
from tests.unit.handlers.shapes import Address, Box, Colour, Level, Patch, Place, Point, Size, Vector, Wrapper

from tidegate.errors import InvalidArguments
from tidegate.handlers.codec.exact import same_but_promoted


class Typed(NamedTuple):
    """An annotation with values of it."""

    annotation: Any
    values: st.SearchStrategy[Any]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LIKE_OTHERS = st.sampled_from(
    ["2024-01-01", "2024-01-01T00:00:00", "12:30:00", "PT1S", "1.5", "NaN", "Infinity", "YWJj", "red", "s", "1", "null", "$is", "",
     "12345678-1234-5678-1234-567812345678", "/a"]
)  # fmt: skip
FLOATS = st.floats(allow_nan=True, allow_infinity=True)

SCALARS = [
    Typed(None, st.none()),
    Typed(bool, st.booleans()),
    Typed(int, st.integers() | st.integers(-3, 3) | st.integers(10**60, 10**61)),
    Typed(float, FLOATS | st.integers(-3, 3).map(float)),
    Typed(str, TEXT | LIKE_OTHERS),
    Typed(bytes, st.binary(max_size=6)),
    Typed(Decimal, st.decimals(allow_nan=True, allow_infinity=True).filter(lambda number: not number.is_snan())),
    Typed(date, st.dates()),
    Typed(datetime, st.datetimes(timezones=st.none() | st.timezones()) | st.dates().map(lambda day: datetime.fromordinal(day.toordinal()))),
    Typed(time, st.times(timezones=st.none() | st.timezones())),
    Typed(timedelta, st.timedeltas()),
    Typed(UUID, st.uuids()),
    Typed(Colour, st.sampled_from(Colour)),
    Typed(Level, st.sampled_from(Level)),
    Typed(Size, st.sampled_from(Size)),
    Typed(Literal["red", 1, "2024-01-01"], st.sampled_from(["red", 1, "2024-01-01"])),
]  # fmt: skip
RECORDS = [
    Typed(Point, st.builds(Point, x=st.integers(), y=st.integers())),
    Typed(Vector, st.builds(Vector, x=st.integers(), y=st.integers())),
    Typed(Place, st.builds(Place, lat=FLOATS, lon=FLOATS, name=st.none() | LIKE_OTHERS)),
    Typed(Address, st.builds(Address, street=TEXT)),
    Typed(Patch, st.builds(Patch, name=st.none() | TEXT) | st.just(Patch())),
    Typed(
        Any,
        st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda each: st.lists(each) | st.dictionaries(TEXT, each)),
    ),
]


def union(members: list[Typed]) -> Typed:
    return Typed(Union[tuple(each.annotation for each in members)], st.one_of([each.values for each in members]))  # noqa: UP007


def row(places: list[Typed]) -> Typed:
    return Typed(tuple[tuple(each.annotation for each in places)], st.tuples(*(each.values for each in places)))


hashable = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, min_size=2, max_size=4).map(union) | st.lists(inner, min_size=1, max_size=3).map(row),
    max_leaves=4,
)
typed = st.recursive(
    hashable | st.sampled_from(RECORDS),
    lambda inner: (
        inner.map(lambda each: Typed(list[each.annotation], st.lists(each.values, max_size=3)))
        | inner.map(lambda each: Typed(tuple[each.annotation, ...], st.lists(each.values, max_size=3).map(tuple)))
        | hashable.map(lambda each: Typed(set[each.annotation], st.sets(each.values, max_size=3)))
        | hashable.map(lambda each: Typed(frozenset[each.annotation], st.frozensets(each.values, max_size=3)))
        | st.tuples(hashable, inner).map(
            lambda pair: Typed(
                dict[pair[0].annotation, pair[1].annotation], st.dictionaries(pair[0].values, pair[1].values, max_size=3)
            )
        )
        | inner.map(
            lambda each: Typed(Box[each.annotation], st.builds(Box, item=each.values, more=st.lists(each.values, max_size=2)))
        )
        | st.lists(inner, min_size=1, max_size=3).map(row)
        | st.lists(inner, min_size=2, max_size=4).map(union)
    ),
    max_leaves=8,
)


def refuse(word):
    raise AssertionError(f"{word} is not standard JSON")


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_nesting_of_annotated_types_comes_back_as_it_went(data):
    annotation, values = data.draw(typed)
    signature = signature_with(annotation)
    for _ in range(3):
        value = data.draw(values)
        sent = signature.encode((value,), {})
        assert list(json.loads(sent, parse_constant=refuse)) == ["args"]
        ((back,), named) = signature.decode(sent)
        assert (picture(back), named) == (picture(value), {})


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_pydantic_model_over_any_such_type_comes_back_too(data):
    annotation, values = data.draw(hashable)
    signature = signature_with(Wrapper[annotation])
    value = Wrapper[annotation].model_construct(item=data.draw(values))
    try:
        sent = signature.encode((), {"value": value})
    except InvalidArguments:  # pydantic's own rules refuse some of them, NaN as a Decimal among them
        return
    assert picture(signature.decode(sent)[1]["value"]) == picture(value)


@pytest.mark.parametrize(
    ("came_back", "original", "alike"),
    [
        (1.0, 1, True),
        (1, 1.0, False),
        (1, 1, True),
        (1.0, 1.0, True),
        (-0.0, 0, False),
        (float("nan"), float("nan"), True),
        ([1.0, {2.0}], [1, {2}], True),
        ({1}, {1.0}, False),
        ((1, 2.0), (1, 2.5), False),
        (True, 1, False),
    ],
)
def test_only_a_given_int_may_have_become_a_float(came_back, original, alike):
    assert same_but_promoted(came_back, original) is alike


def test_a_model_that_turns_a_float_into_a_literal_is_refused():
    annotation = Union[bool, Literal["red", 1], float]  # noqa: UP007 - as the property above draws it
    value = Wrapper[annotation].model_construct(item=1.0)
    signature = signature_with(Wrapper[annotation])
    try:
        sent = signature.encode((), {"value": value})
    except InvalidArguments:
        sent = None
    assert sent is None or picture(signature.decode(sent)[1]["value"]) == picture(value)
