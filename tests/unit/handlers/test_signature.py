"""Which calls fit a signature: positions, names, defaults, and the parameter that the node fills in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Optional, ParamSpec, TypeVar, Unpack

import pytest
from tests.unit.handlers.calls import problems_of
from tests.unit.handlers.picture import picture
from tests.unit.handlers.shapes import Movie, Point

from tidegate.errors import ConfigurationError, InvalidJob
from tidegate.handlers import InvalidResult, JobContext, Signature, handler_of
from tidegate.handlers.inspection import signature_of
from tidegate.jobs import Dead, Done, Outcome, Retry, Snooze

if TYPE_CHECKING:
    import tidegate.handlers as only_for_checkers

P = ParamSpec("P")
T = TypeVar("T")
DAY = date(2024, 2, 29)


def sent(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """Return what the handler gets of a call."""
    signature = signature_of(function, "shop:handler")
    return signature.decode(signature.encode(args, kwargs))


def test_a_parameter_takes_its_argument_by_position_or_by_name():
    def handler(a: int, b: date) -> None: ...

    assert sent(handler, 1, b=DAY) == ((1,), {"b": DAY})


def test_positional_only_and_keyword_only_parameters_keep_to_their_ways():
    def handler(a: int, /, b: int, *, c: date) -> None: ...

    assert sent(handler, 1, 2, c=DAY) == ((1, 2), {"c": DAY})
    assert problems_of(handler, a=1, b=2, c=DAY) == ("'a' can only be given by position", "missing argument 'a'")
    assert problems_of(handler, 1, 2, DAY) == ("takes at most 2 arguments by position, got 3", "missing argument 'c'")


def test_variadic_parameters_are_typed_like_their_annotation():
    def handler(*days: date, **more: Point) -> None: ...

    assert sent(handler, DAY, DAY, a=Point(1, 2)) == ((DAY, DAY), {"a": Point(1, 2)})
    assert problems_of(handler, DAY, 1, a=2) == ("argument 2: expected date, got int", "a: expected Point, got int")


def test_a_required_keyword_is_missed_however_many_positions_are_filled():
    def handler(*days: date, colour: str) -> None: ...

    assert problems_of(handler, DAY, DAY, DAY) == ("missing argument 'colour'",)


def test_unannotated_variadics_take_json_values():
    def handler(*args, **kwargs): ...

    assert sent(handler, [1], a={"b": None}) == (([1],), {"a": {"b": None}})
    assert problems_of(handler, (1,)) == ("argument 1: tuple is not a JSON value",)


def test_a_name_of_a_positional_only_parameter_goes_to_the_keywords_where_there_are_any():
    def handler(a: int, /, **more: str) -> None: ...

    assert sent(handler, 1, a="x") == ((1,), {"a": "x"})


def test_keywords_typed_by_a_typed_dict_are_parameters_of_their_own():
    def handler(a: int, **movie: Unpack[Movie]) -> None: ...

    assert sent(handler, 1, title="x", released=DAY) == ((1,), {"title": "x", "released": DAY})
    assert problems_of(handler, 1, titel="x", released=DAY) == (
        "unexpected argument 'titel'; did you mean 'title'?",
        "missing argument 'title'",
    )


def test_an_argument_given_twice_is_named():
    def handler(a: int, b: int = 0) -> None: ...

    assert problems_of(handler, 1, a=2) == ("'a' is given twice, by position and by name",)


def test_an_unknown_argument_is_named_with_the_nearest():
    def handler(user_id: int, locale: str = "en") -> None: ...

    assert problems_of(handler, 1, usr_id=2) == ("unexpected argument 'usr_id'; did you mean 'user_id'?",)
    assert problems_of(handler, 1, zzz=2) == ("unexpected argument 'zzz'",)


def test_a_wrapped_function_has_the_signature_of_what_it_wraps():
    import functools

    def handler(when: date) -> None: ...

    @functools.wraps(handler)
    def wrapper(*args, **kwargs): ...

    assert sent(wrapper, when=DAY) == ((), {"when": DAY})


def test_forwarded_parameters_take_json_values():
    def handler(*args: P.args, **kwargs: P.kwargs) -> None: ...

    assert sent(handler, 1, a=[2]) == ((1,), {"a": [2]})


def test_a_type_variable_means_its_bound_or_any_json_value():
    B = TypeVar("B", bound=date)

    def handler(a, b): ...

    handler.__annotations__ = {"a": B, "b": T}
    assert sent(handler, DAY, [1]) == ((DAY, [1]), {})


def by_class(ctx: JobContext, a: int) -> None: ...
def by_string(ctx: "JobContext", a: int) -> None: ...  # noqa: UP037 - users quote
def as_optional(ctx: Optional[JobContext], a: int) -> None: ...  # noqa: UP045 - both spellings are in use
def as_union(a: int, ctx: JobContext | None = None) -> None: ...
def as_annotated(a: int, *, ctx: Annotated[JobContext, "given by the node"]) -> None: ...
def for_checkers_by_module(a: int, ctx: only_for_checkers.JobContext) -> None: ...
def for_checkers_as_union(a: int, ctx: only_for_checkers.JobContext | None = None) -> None: ...


@pytest.mark.parametrize(
    "function", [by_class, by_string, as_optional, as_union, as_annotated, for_checkers_by_module, for_checkers_as_union]
)
def test_the_job_context_is_no_argument_of_a_call(function):
    signature = signature_of(function, "shop:handler")
    assert ([each.name for each in signature.parameters], signature.context) == (["a"], "ctx")
    assert sent(function, 1) == ((1,), {})
    assert sent(function, a=1) == ((), {"a": 1})


def test_the_job_context_cannot_be_given():
    assert problems_of(by_class, a=1, ctx=None) == ("'ctx' is the JobContext, which the node fills in: leave it out",)


def test_a_second_job_context_is_refused():
    with pytest.raises(ConfigurationError, match="'b' is a second JobContext, and there is one"):
        handler_of(two_contexts)


def two_contexts(a: JobContext, b: JobContext) -> None: ...


def returning_context(first: int, ctx: JobContext, second: int = 2, *more: int) -> tuple[Any, ...]:
    return (first, ctx, second, more)


def keyword_context(first: int, *, ctx: JobContext) -> tuple[Any, ...]:
    return (first, ctx)


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((1,), {}, (1, "ctx", 2, ())),
        ((1, 5), {}, (1, "ctx", 5, ())),
        ((1, 5, 6, 7), {}, (1, "ctx", 5, (6, 7))),
        ((), {"first": 1, "second": 5}, (1, "ctx", 5, ())),
        ((1,), {"second": 5}, (1, "ctx", 5, ())),
    ],
)
def test_a_handler_is_invoked_with_the_context_in_its_place(args, kwargs, expected):
    assert handler_of(returning_context).invoke(args, kwargs, "ctx") == expected


def test_a_context_that_is_keyword_only_is_given_by_name():
    assert handler_of(keyword_context).invoke((1,), {}, "ctx") == (1, "ctx")


def test_without_a_context_parameter_the_handler_gets_its_arguments_only():
    assert handler_of(add).invoke((1,), {"b": 2}, "ctx") == 3


def add(a: int, b: int) -> int:
    return a + b


def test_an_unchecked_signature_takes_any_json_call():
    signature = Signature.unchecked("shop:elsewhere")
    assert signature.decode(signature.encode((1, [2]), {"a": {"b": None}})) == ((1, [2]), {"a": {"b": None}})


def test_arguments_of_the_wrong_shape_for_the_new_signature_are_an_invalid_job():
    with pytest.raises(InvalidJob, match="shop:handler: its stored arguments do not decode: a: expected int, got str"):
        signature_of(add, "shop:handler").decode(b'{"args": ["x", 1]}')


def result_sent(annotation: Any, value: Any) -> Any:
    def handler(): ...

    handler.__annotations__ = {"return": annotation}
    signature = signature_of(handler, "shop:handler")
    return signature.decode_result(signature.encode_result(value))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (date, DAY),
        (Point, Point(1, 2)),
        (list[date | str], [DAY, "2024-02-29"]),
        (date | None, DAY),
        (Coroutine[Any, Any, date], DAY),
        (date | Retry | Snooze, DAY),
        (Retry | None, {"a": 1}),
        (Outcome, [1]),
        (Done, 1),
        (Any, {"a": [1]}),
        (float, 1.5),
        ("Nowhere", 1),
        (Callable[[int], int], 1),
    ],
)
def test_a_result_comes_back_by_the_annotation_of_the_return_value(annotation, value):
    assert picture(result_sent(annotation, value)) == picture(value)


@pytest.mark.parametrize("annotation", [None, int, date | None, Dead, Any])
def test_no_result_is_stored_for_none(annotation):
    def handler(): ...

    handler.__annotations__ = {"return": annotation}
    signature = signature_of(handler, "shop:handler")
    assert (signature.encode_result(None), signature.decode_result(None)) == (None, None)


def test_a_result_that_does_not_fit_its_annotation_is_named():
    with pytest.raises(InvalidResult, match=r"^shop:handler: its result\[0\]: expected date, got str$"):
        result_sent(list[date], ["x"])


def test_an_unannotated_result_is_a_json_value():
    with pytest.raises(InvalidResult, match=r"its result: date is not a JSON value"):
        result_sent(Any, DAY)


def test_a_result_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(InvalidResult, match="its result is nested too deeply, or holds itself"):
        result_sent(Any, endless)


def test_a_stored_result_that_does_not_decode_says_so():
    with pytest.raises(InvalidResult, match="shop:handler: its stored result does not decode: expected int, got str"):
        signature_of(add, "shop:handler").decode_result(b'"x"')
