"""Annotated parameters come back as the same type and value: a table of types with values of each."""

from __future__ import annotations

import collections
import ipaddress
import json
import math
import re
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Literal, Optional, Union
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from tests.unit.handlers import shapes
from tests.unit.handlers.calls import back_and_forth, signature_with
from tests.unit.handlers.picture import picture
from tests.unit.handlers.shapes import (
    Address,
    Aliased,
    Bits,
    Box,
    ByValue,
    Cat,
    Checked,
    Clamped,
    Colour,
    Custom,
    DateBox,
    Dates,
    Documented,
    Dog,
    Extra,
    GenericPlace,
    Holder,
    Json,
    Kennel,
    Level,
    Line,
    Loose,
    Mixed,
    Mode,
    Movie,
    Node,
    Numbers,
    Odd,
    Order,
    Pair,
    PairOf,
    Patch,
    Person,
    Picky,
    Place,
    Planet,
    Point,
    Positive_,
    Sequel,
    Short,
    Size,
    Slot,
    Stamped,
    Strict,
    Summed,
    Tagged,
    Tree,
    UserId,
    Vector,
    Wrapper,
)  # fmt: skip

from tidegate.handlers.inspection import signature_of

UID = UUID("12345678-1234-5678-1234-567812345678")
DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12, 0, 0, 1)  # noqa: DTZ001 - naive ones travel, too
BERLIN = ZoneInfo("Europe/Berlin")
NAN = float("nan")

TABLE: list[tuple[Any, list[Any]]] = [
    # scalars
    (None, [None]),
    (bool, [True, False]),
    (int, [0, -1, 2**63, -(2**64), 10**4000]),
    (float, [0.0, -0.0, 1.5, 1e308, 5e-324, NAN, math.inf, -math.inf]),
    (str, ["", "x", "é\U0001f600", "\x00\x1f\x7f\u2028", '"\\', "null", "NaN"]),
    (bytes, [b"", b"\x00\xff", bytes(range(256))]),
    (bytearray, [bytearray(b"abc")]),
    (Decimal, [Decimal("1.10"), Decimal("-0"), Decimal("1E+50"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1." + "3" * 60)]),
    (Fraction, [Fraction(1, 3)]),
    (complex, [1 + 2j]),
    (UUID, [UID]),
    # dates and times
    (date, [DAY, date.min, date.max]),
    (datetime, [NOON, datetime.min, datetime.max, NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=timezone(timedelta(hours=-3, seconds=7)))]),  # noqa: DTZ901 - the ends of time have no zone
    (datetime, [NOON.replace(tzinfo=BERLIN), datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN), datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)]),
    (datetime, [datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN), NOON.replace(fold=1), NOON.replace(tzinfo=ZoneInfo("UTC"))]),
    (time, [time(), time(23, 59, 59, 999999), time(1, tzinfo=UTC), time(1, tzinfo=BERLIN), time(1, fold=1)]),
    (timedelta, [timedelta(), timedelta(microseconds=1), timedelta(days=-1, seconds=1), timedelta.min, timedelta.max]),
    (ZoneInfo, [BERLIN]),
    # choices
    (Colour, list(Colour)),
    (Level, list(Level)),
    (Size, list(Size)),
    (Planet, list(Planet)),
    (Mixed, list(Mixed)),
    (Odd, list(Odd)),
    (Mode, [Mode.READ, Mode.READ | Mode.WRITE, Mode(0)]),
    (Bits, [Bits.A | Bits.B, Bits(8)]),
    (Literal["a", 1, True, None, b"x", Colour.RED], ["a", 1, True, None, b"x", Colour.RED]),  # noqa: PYI061 - as users write it
    (Literal["red", Colour.RED], ["red", Colour.RED]),
    # paths and what only pydantic knows
    (Path, [Path("/srv/a b"), Path()]),
    (PurePath, [PurePath("a/b")]),
    (PurePosixPath, [PurePosixPath("/a")]),
    (PureWindowsPath, [PureWindowsPath(r"c:\a")]),
    (ipaddress.IPv4Address, [ipaddress.ip_address("10.0.0.1")]),
    (ipaddress.IPv6Network, [ipaddress.ip_network("2001:db8::/32")]),
    (re.Pattern[str], [re.compile("a+")]),
    (pydantic.HttpUrl, [pydantic.HttpUrl("https://example.org/a?b=c")]),
    # aliases and annotations
    (UserId, [7]),
    (Documented, [7]),
    (Positive_, [7]),
    (Custom, [Custom("x")]),
    (Custom | str, [Custom("x"), "x"]),
    (Short, ["abc"]),
    (PairOf[date], [(DAY, DAY)]),
    (Tagged, [{"a": [DAY, "2024-01-01", NOON, 1, {"b": []}]}]),
    # containers
    (list, [[], [1, "a", None, [1.5, {"b": True}]]]),
    (list[int], [[], [1, 2**70]]),
    (list[list[date]], [[[DAY], []]]),
    (tuple, [(), (1, "a")]),
    (tuple[()], [()]),
    (tuple[int, ...], [(), (1, 2)]),
    (tuple[int, str, date], [(1, "a", DAY)]),
    (set[int], [set(), {1, 2, 3}]),
    (set[str | int | None], [{"1", 1, None}]),
    (set[float], [{0.5, math.inf}]),
    (frozenset[date], [frozenset({DAY})]),
    (frozenset[frozenset[int]], [frozenset({frozenset({1}), frozenset()})]),
    (collections.deque[date], [collections.deque([DAY])]),
    (dict, [{}, {"a": {"b": [1]}}]),
    (dict[str, date], [{"x": DAY, "": DAY}]),
    (dict[int, str], [{1: "a", -(2**70): "b"}]),
    (dict[date, int], [{DAY: 1}]),
    (dict[UUID, int], [{UID: 1}]),
    (dict[Colour, int], [{Colour.RED: 1}]),
    (dict[Level, int], [{Level.HIGH: 1}]),
    (dict[float, int], [{1.5: 1, math.inf: 2}]),
    (dict[bool, int], [{True: 1, False: 0}]),
    (dict[tuple[int, date], str], [{(1, DAY): "a"}]),
    (dict[int | str, int], [{1: 1, "1": 2}]),
    (dict[date | datetime, int], [{DAY: 1, NOON: 2}]),
    (collections.OrderedDict[str, int], [collections.OrderedDict(b=1, a=2)]),
    (collections.defaultdict[str, list[int]], [collections.defaultdict(list, {"a": [1]})]),
    (collections.Counter[str], [collections.Counter("aab")]),
    (Sequence[date], [[DAY], (DAY,)]),
    (Iterable[int], [[1], (1,), {1}, frozenset({1})]),
    (Collection[int], [(1,)]),
    (AbstractSet[int], [{1}, frozenset({1})]),
    (Mapping[str, date], [{"a": DAY}]),
    # unions
    (Optional[date], [None, DAY]),  # noqa: UP045 - both spellings are in use
    (Union[int, None, str], [None, 1, "1"]),  # noqa: UP007
    (date | str, [DAY, "2024-02-29", "x", ""]),
    (str | date, [DAY, "2024-02-29", "x"]),
    (date | datetime, [DAY, NOON, datetime(2024, 2, 29)]),  # noqa: DTZ001
    (datetime | date, [DAY, NOON, datetime(2024, 2, 29)]),  # noqa: DTZ001
    (int | str, [1, "1"]),
    (int | float, [1, 1.0, -0.0, NAN]),
    (int | bool, [1, True, 0, False]),
    (Decimal | float, [Decimal("1.5"), 1.5, Decimal("NaN"), NAN, -math.inf]),
    (float | Decimal, [Decimal("1.5"), 1.5, Decimal("NaN"), NAN, -math.inf]),
    (float | str, [NAN, "NaN", "Infinity", 1.0, "1.0"]),
    (UUID | str, [UID, str(UID), str(UID).upper(), UID.hex, "x"]),
    (bytes | str, [b"abc", "YWJj", "abcd", ""]),
    (Path | str, [Path("a"), "a"]),
    (time | str | timedelta, [time(1), "01:00:00", timedelta(1), "P1DT0S"]),
    (Level | int, [Level.LOW, 1, 3]),
    (int | Level, [Level.LOW, 1, 3]),
    (Size | str, [Size.S, "s", "m"]),
    (Literal["auto"] | int | str, ["auto", "other", 3]),  # noqa: PYI051 - redundant to a checker, not to a codec
    (ipaddress.IPv4Address | str, [ipaddress.ip_address("10.0.0.1"), "10.0.0.1"]),
    (list[int] | tuple[int, ...] | set[int], [[], (), set(), [1], (1,), {1}]),
    (list[int] | list[float] | list[str], [[1], [1.0], ["1"], []]),
    (list[date] | list[str], [[DAY], ["2024-02-29"], ["x"]]),
    (dict[str, date] | dict[str, str], [{"a": DAY}, {"a": "2024-02-29"}]),
    (dict[str, Any] | date | str, [{"$is": "date", "value": "2024-02-29"}, {"$is": 1}, {"$is": 1, "value": 2}, DAY, "2024-02-29"]),
    (Point | Vector, [Point(1, 2), Vector(1, 2)]),
    (Line | Vector, [Line(1), Vector(1, 0)]),
    (dict[str, int] | Point, [{"x": 1, "y": 2}, Point(1, 2)]),
    (list[date | str | None], [[DAY, "2024-02-29", None]]),
    # dataclasses, named tuples, typed dicts
    (Point, [Point(1, 2)]),
    (Order, [Order(id=UID, placed=NOON, total=Decimal("NaN"), lines=[("a", 1)], tags=frozenset("ab")), Order(id=UID, placed=DAY, total=Decimal(1))]),
    (Node, [Node("a", [Node("b", [Node("c")])], Node("d"))]),
    (Box[int], [Box(1, [2])]),
    (Box[date | str], [Box("2024-02-29", [DAY])]),
    (Box[Box[date]], [Box(Box(DAY))]),
    (DateBox, [DateBox(DAY, [DAY], "x")]),
    (Pair[int, date], [Pair(1, [2], DAY)]),
    (Clamped, [Clamped(99)]),
    (Picky, [Picky(1)]),
    (Summed, [Summed(1, 2)]),
    (Checked, [Checked(1, "2024-02-29"), Checked(2, DAY)]),
    (Movie, [{"title": "x", "released": DAY}, {"released": DAY, "title": "x", "rating": Decimal("7.5")}]),
    (Sequel, [{"title": "x", "released": DAY}, {"title": "x", "released": DAY, "number": 2}]),
    (Loose, [{"a": 1}, {"a": 1, "b": b"x"}]),
    (Slot[date], [{"item": DAY}]),
    (Place, [Place(1.0, -0.0), Place(NAN, 2.0, "x")]),
    (GenericPlace[date], [GenericPlace(DAY)]),
    # pydantic models
    (Address, [Address(street="a"), Address(street="a", city=None)]),
    (Person, [Person(id=UID, born=DAY, worth=1.5, home=Address(street="a"), raw=b"\xff", span=[1], level=Level.HIGH)]),
    (Person, [Person(id=str(UID), born="2024-02-29", worth=Decimal("1.5"), home=Address(street="a"), others={"x": Address(street="b")}, span=(1,))]),
    (Person, [Person(id="x", born=NOON, worth=NAN, home=Address(street="a"), seen={1, 2})]),
    (Patch, [Patch(), Patch(name=None), Patch(email="x")]),
    (Aliased, [Aliased(userId=1)]),
    (Extra, [Extra(a=1), Extra(a=1, b=["x"])]),
    (Strict, [Strict(a=1), Strict(a=1, b=math.inf)]),
    (ByValue, [ByValue(colour=Colour.RED)]),
    (Kennel, [Kennel(animal=Cat()), Kennel(animal=Dog(lives=2))]),
    (Cat | Dog, [Cat(), Dog(), Cat(lives=1), Dog(lives=9)]),
    (Tree, [Tree(value=DAY, left=Tree(value="2024-02-29"), branches=[Tree(value="x")])]),
    (Wrapper[date | str], [Wrapper[date | str](item="2024-02-29"), Wrapper[date | str](item=DAY)]),
    (Numbers, [Numbers([1, 2])]),
    (Dates, [Dates({DAY: NOON, date.min: DAY})]),
    (Holder, [Holder(movie={"title": "a", "when": DAY}, place=Place(1.0, 2.0), order=Point(1, 2))]),
    (list[Person | Address], [[Address(street="a"), Person(id="x", born=DAY, worth=1.0, home=Address(street="b"))]]),
]  # fmt: skip

CASES = [
    pytest.param(annotation, value, id=f"{row}-{index}")
    for row, (annotation, values) in enumerate(TABLE)
    for index, value in enumerate(values)
]


def test_the_table_holds_at_least_sixty_types():
    assert len({str(annotation) for annotation, _ in TABLE}) >= 60


@pytest.mark.parametrize(("annotation", "value"), CASES)
def test_an_annotated_value_comes_back_as_the_same_type_and_value(annotation, value):
    assert picture(back_and_forth(annotation, value)) == picture(value)


@pytest.mark.parametrize(("annotation", "value"), CASES)
def test_what_is_stored_is_standard_json_in_ascii(annotation, value):
    sent = signature_with(annotation).encode((value,), {})
    assert sent.isascii()
    assert list(json.loads(sent, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))) == ["args"]


def test_an_alias_that_mentions_itself_comes_back():
    value = {"a": [1, 1.5, None, "x", True, {"b": [NAN]}]}
    signature = signature_of(_takes_json, "shop:handler")
    assert picture(signature.decode(signature.encode((value,), {}))) == picture(((value,), {}))


def test_a_model_created_by_its_default_factory_keeps_what_it_was_given():
    stamped = Stamped()
    assert back_and_forth(Stamped, stamped) == stamped


def test_fields_of_a_model_that_were_not_set_stay_unset():
    assert back_and_forth(Patch, Patch(name="x")).model_dump(exclude_unset=True) == {"name": "x"}


def test_an_offset_that_is_no_zoneinfo_comes_back_as_the_same_instant():
    class Elsewhere(timezone.__base__):
        def utcoffset(self, _):
            return timedelta(hours=2)

        def dst(self, _):
            return timedelta(0)

        def tzname(self, _):
            return "EW"

    moment = NOON.replace(tzinfo=Elsewhere())
    back = back_and_forth(datetime, moment)
    assert (back, back.tzinfo) == (moment, timezone(timedelta(hours=2)))


def test_a_zone_whose_rules_changed_since_keeps_the_instant():
    stored = b'{"kwargs":{"value":"2024-07-01T12:00:00+05:00[Europe/Berlin]"}}'
    back = signature_with(datetime).decode(stored)[1]["value"]
    assert back == datetime(2024, 7, 1, 7, tzinfo=UTC)
    assert back.tzinfo is BERLIN


def test_an_int_for_a_float_parameter_becomes_the_float():
    assert picture(back_and_forth(float, 5)) == picture(5.0)


def test_ints_in_a_list_of_floats_become_floats_in_a_union_as_well():
    assert picture(back_and_forth(list[float] | list[str], [1, 2.5])) == picture([1.0, 2.5])


def test_an_int_in_a_float_field_of_a_checked_dataclass_becomes_the_float():
    assert picture(back_and_forth(shapes.Priced, shapes.Priced(5))) == picture(shapes.Priced(5.0))


def test_equal_sets_are_equal_json():
    one, other = signature_with(set[str]), signature_with(set[str])
    assert one.encode(({"b", "a", "c"},), {}) == other.encode(({"c", "b", "a"},), {}) == b'{"args":[["a","b","c"]]}'


def test_every_zone_of_this_machine_is_found_again():
    zones = sorted(zoneinfo.available_timezones())[::40]
    moments = [datetime(2024, 7, 1, tzinfo=ZoneInfo(zone)) for zone in zones]
    assert picture(back_and_forth(list[datetime], moments)) == picture(moments)


def _takes_json(value: Json) -> None:
    """Take any JSON."""
