"""A call that does not fit is refused when it is enqueued, in a sentence that names the parameter."""

from __future__ import annotations

import collections
import io
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from pydantic import Field
from tests.unit.handlers.calls import problem_with, problems_of
from tests.unit.handlers.shapes import (
    Address,
    Box,
    Broken,
    Cat,
    Checked,
    Colour,
    Cursed,
    Dog,
    Doubling,
    Endless,
    Extra,
    Level,
    Loose,
    Mode,
    Movie,
    Mute,
    Node,
    Numbers,
    Person,
    Picky,
    Plain,
    Point,
    Positive,
    Positive_,
    Private,
    Puppy,
    Short,
    Shouting,
    Size,
    Summed,
)  # fmt: skip

from tidegate.errors import ConfigurationError, InvalidArguments, InvalidJob
from tidegate.handlers import handler_of
from tidegate.handlers.inspection import signature_of

DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12)  # noqa: DTZ001


KEYLESS = ZoneInfo.from_file(io.BytesIO(b"TZif" + bytes(32) + b"\0\0\0\1\0\0\0\4" + bytes(6) + b"UTC\0"))  # a file of one zone


class TimeOnly(tzinfo):
    def utcoffset(self, moment):
        return None if moment is None else timedelta(0)


def changed(model, **values):
    for name, value in values.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (int, "1", "value: expected int, got str"),
        (int, True, "value: expected int, got bool"),
        (int, 1.0, "value: expected int, got float"),
        (int, Level.LOW, "value: expected int, got Level: only int itself comes back as it went"),
        pytest.param(int, 10**4300, "value: an int of more than 4,200 digits cannot be written as JSON", id="int-huge"),
        (bool, 1, "value: expected bool, got int"),
        (float, True, "value: expected float, got bool"),
        (float, "1.0", "value: expected float, got str"),
        (float, 2**53 + 1, "value: an int that no float holds exactly"),
        pytest.param(float, 10**400, "value: an int that no float holds exactly", id="float-huge"),
        (float, Decimal(1), "value: expected float, got Decimal"),
        (str, 1, "value: expected str, got int"),
        (str, b"x", "value: expected str, got bytes"),
        (str, Size.S, "value: expected str, got Size: only str itself comes back as it went"),
        (str, "a\ud800", "value: the text holds a lone surrogate ('\\ud800'), which no JSON reader need accept"),
        (None, 0, "value: expected None, got int"),
        (bytes, "x", "value: expected bytes, got str"),
        (date, NOON, "value: expected date, got datetime"),
        (date, "2024-02-29", "value: expected date, got str"),
        (datetime, DAY, "value: expected datetime, got date"),
        (time, time(1, tzinfo=TimeOnly()), "value: the offset of its TimeOnly is not known without a date; use a ZoneInfo or timezone"),
        (Decimal, 1.5, "value: expected Decimal, got float"),
        (UUID, "12345678-1234-5678-1234-567812345678", "value: expected UUID, got str"),
        (Path, PurePosixPath("a"), "value: expected Path, got PurePosixPath"),
        (Colour, "red", "value: expected Colour, got str"),
        (Mode, 1, "value: expected Mode, got int"),
        (dict[str, int], [1], "value: expected dict[str, int], got list"),
        (Numbers, [1], "value: expected Numbers, got list"),
        (Cursed, Cursed("x"), "value: this Cursed does not come back as it went"),
        (datetime, NOON.replace(tzinfo=KEYLESS), "value: a ZoneInfo without a key cannot be found again"),
        (Literal["a", 1], "b", "value: expected Literal['a', 1], got 'b'"),
        (Literal[1], True, "value: expected Literal[1], got True"),
        (list[int], (1,), "value: expected list[int], got tuple"),
        (list[int], [1, "2"], "value[1]: expected int, got str"),
        (list[list[int]], [[1], [2, None]], "value[1][1]: expected int, got NoneType"),
        (tuple[int, str], (1,), "value: expected tuple[int, str], got 1 values"),
        (tuple[int, str], (1, 2), "value[1]: expected str, got int"),
        (set[int], [1], "value: expected set[int], got list"),
        (set[int], {"a"}, "value[0]: expected int, got str"),
        (dict[str, int], {"a": "b"}, "value['a']: expected int, got str"),
        (dict[str, int], {1: 1}, "value key 1: expected str, got int"),
        (dict[Decimal, int], {Decimal("nan"): 1, Decimal("NaN"): 2}, "value: two of its keys look the same as JSON"),
        (collections.deque[int], collections.deque([1], maxlen=2), "value: a deque with a maxlen does not come back as it went"),
        (collections.defaultdict[str, int], collections.defaultdict(lambda: 1), "value: the default_factory of a defaultdict[str, int] that comes back is <class 'int'>"),
        (int | str, 1.5, "value: expected int | str, got float"),
        (int | str, True, "value: expected int | str, got bool"),
        (date | None, NOON, "value: expected date | None, got datetime"),
        (list[int] | None, ["a"], "value[0]: expected int, got str"),
        (Cat | Dog, Puppy(), "value: expected Cat | Dog, got Puppy"),
        (Point, {"x": 1, "y": 2}, "value: expected Point, got dict"),
        (Point, Point("1", 2), "value.x: expected int, got str"),
        (Node, Node("a", [Node("b"), Node(1)]), "value.children[1].name: expected str, got int"),
        (Box[int], Box("a"), "value.item: expected int, got str"),
        (Movie, {"title": "x"}, "value: Movie lacks released"),
        (Movie, {"title": "x", "released": DAY, "year": 1}, "value: Movie has no key 'year'"),
        (Movie, {"title": "x", "released": NOON}, "value.released: expected date, got datetime"),
        (Loose, {"b": b""}, "value: Loose lacks a"),
        (Doubling, Doubling(1), "value: this Doubling does not come back as it went: its construction changes it, or it holds more than fields"),
        (Summed, changed(Summed(1, 2), total=7), "value: this Summed does not come back as it went: its construction changes it, or it holds more than fields"),
        (Picky, changed(Picky(1), value=-1), "value: Picky refused its values: ValueError: negative"),
        (Address, {"street": "a"}, "value: expected Address, got dict"),
        (Address, Address.model_construct(street=1), "value.street: expected str, got int"),
        (Positive, Positive.model_construct(n=-1), "value: not a valid Positive: n: Input should be greater than 0"),
        (Shouting, Shouting(text="a"), "value: this Shouting does not come back as it went: its construction changes it, or it holds more than fields"),
        (Private, changed(Private(a=1), _hidden=5), "value: this Private does not come back as it went: its construction changes it, or it holds more than fields"),
        (Extra, Extra(a=1, b=DAY), "value: date is not a JSON value"),
        (Checked, changed(Checked(1), n=-1), "value.n: not a valid int: Input should be greater than 0"),
        (Positive_, 0, "value: not a valid int: Input should be greater than 0"),
        (Short, "abcd", "value: not a valid str: String should have at most 3 characters"),
        (list[Annotated[int, Field(gt=0)]], [1, 0], "value[1]: not a valid int: Input should be greater than 0"),
        (pydantic.SecretStr, pydantic.SecretStr("x"), "value: this SecretStr does not come back as it went"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(annotation, value, sentence):
    assert problem_with(annotation, value) == sentence


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ((1,), "value: tuple is not a JSON value"),
        ({1}, "value: set is not a JSON value"),
        (float("nan"), "value: NaN is not a JSON value"),
        ([float("-inf")], "value[0]: -Infinity is not a JSON value"),
        (DAY, "value: date is not a JSON value"),
        ({"a": [1, {"b": (1,)}]}, "value['a'][1]['b']: tuple is not a JSON value"),
        ({"a": {1: 2}}, "value['a']: a dict with keys of type int is not a JSON value"),
        (Level.LOW, "value: Level is not a JSON value"),
        (collections.OrderedDict(a=1), "value: OrderedDict is not a JSON value"),
        (["\udfff"], "value[0]: the text holds a lone surrogate ('\\udfff'), which no JSON reader need accept"),
    ],
)
def test_an_unannotated_parameter_takes_json_values_only(value, sentence):
    def handler(value): ...

    assert problems_of(handler, value) == (sentence,)
    assert problem_with(Any, value) == sentence


def test_the_value_of_a_wrong_argument_is_not_told_since_it_may_be_a_secret():
    assert "hunter2" not in problem_with(int, "hunter2")


def test_every_misfit_of_a_call_is_named_at_once():
    def handler(user_id: int, when: date, *, locale: str = "en") -> None: ...

    assert problems_of(handler, "1", usr_id=2, locale=3) == (
        "user_id: expected int, got str",
        "unexpected argument 'usr_id'; did you mean 'user_id'?",
        "locale: expected str, got int",
        "missing argument 'when'",
    )


def test_the_message_begins_with_the_kind_and_the_hint_shows_the_signature():
    def handler(user_id: int, tags: list[str] | None = None) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        signature_of(handler, "shop:handler").encode((), {})
    assert str(caught.value) == "shop:handler: missing argument 'user_id'"
    assert caught.value.hint == "shop:handler takes (user_id: int, tags: list[str] | None = ...)"


def test_the_hint_knows_how_a_parameter_takes_more_than_json_values():
    def handler(value): ...

    with pytest.raises(InvalidArguments) as caught:
        signature_of(handler, "shop:handler").encode((DAY,), {})
    assert caught.value.hint == "shop:handler takes (value: Any); a parameter must be annotated to take more than JSON values"


def test_an_argument_that_holds_itself_is_refused():
    def handler(value): ...

    endless: list[Any] = []
    endless.append(endless)
    assert problems_of(handler, endless) == ("an argument is nested too deeply, or holds itself",)


def test_an_annotated_argument_that_holds_itself_is_refused():
    def handler(value: Node): ...

    node = Node("a")
    node.children.append(node)
    assert problems_of(handler, node) == ("an argument is nested too deeply, or holds itself",)


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Plain, "Plain is neither a type of Python's own nor one that pydantic knows"),
        (list[Plain], "Plain is neither a type of Python's own nor one that pydantic knows"),
        (Callable[[int], str], "Callable[[int], str] is not data"),
        (type[int], "type[int] is not data"),
        (Iterator[int], "Iterator[int] is not data"),
        (Endless[int], "Endless[int] never ends"),
        ("Nowhere", "its annotation 'Nowhere' cannot be evaluated (name 'Nowhere' is not defined)"),
    ],
)
def test_a_required_parameter_that_cannot_be_stored_is_a_configuration_error(annotation, why):
    with pytest.raises(ConfigurationError) as caught:
        handler_of(_with_annotation(annotation))
    assert str(caught.value).endswith(f": parameter 'value' cannot be stored: {why}")
    assert f"{__name__}:takes_value ({__file__}:" in str(caught.value)
    assert caught.value.hint.startswith("arguments are data: ")


def test_a_field_deep_inside_that_cannot_be_stored_is_named():
    with pytest.raises(ConfigurationError, match=r"'value' cannot be stored: Box\[Plain\]\.item: Plain is neither"):
        handler_of(_with_annotation(Box[Plain]))


def test_an_optional_parameter_that_cannot_be_stored_is_refused_only_where_it_is_filled():
    def handler(a: int, session: Plain | None = None) -> None: ...

    assert signature_of(handler, "shop:handler").encode((1,), {}) == b'{"args":[1]}'
    [problem] = problems_of(handler, 1, session=Plain())
    assert problem.startswith("session: a Plain cannot be stored: Plain is neither")


def test_a_stored_argument_of_a_parameter_that_cannot_be_stored_is_an_invalid_job():
    def handler(a: int, session: Plain | None = None) -> None: ...

    with pytest.raises(InvalidJob, match="session: a dict cannot be stored: Plain is neither"):
        signature_of(handler, "shop:handler").decode(b'{"args":[1,{}]}')


def test_a_type_that_does_not_say_how_it_is_written_is_refused():
    assert problem_with(Mute, Mute("x")).startswith("value: this Mute cannot be written as JSON: ")


def test_a_model_whose_validator_raises_something_of_its_own_is_refused_with_its_words():
    assert problem_with(Broken, Broken.model_construct(a=1)) == "value: not a valid Broken: LookupError: no such thing"


def test_a_person_with_one_wrong_field_is_refused_by_the_path_to_it():
    person = Person(id="x", born=DAY, worth=1.0, home=Address(street="a"))
    person.home.city = 7
    assert problem_with(Person, person) == "value.home.city: expected str | None, got int"


def takes_value(value):
    """Take one value."""


def _with_annotation(annotation):
    def inner(value): ...

    inner.__annotations__ = {"value": annotation}
    inner.__name__ = inner.__qualname__ = "takes_value"
    return inner
