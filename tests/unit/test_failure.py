"""Exceptions as text: what is kept, how much of it, and that no exception can break the keeping."""

from __future__ import annotations

from tidegate.failure import MESSAGE_LIMIT, TRACEBACK_LIMIT, describe
from tidegate.jobs import Failure


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Doom(BaseException):
    pass


class Doomed(Exception):
    def __str__(self) -> str:
        raise Doom


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_exception_is_its_class_its_message_and_its_traceback() -> None:
    failure = describe(raised(ValueError("bad")))
    assert (failure.type, failure.message) == ("ValueError", "bad")
    assert "in raised\n    raise error\nValueError: bad" in failure.traceback.replace("    ^^^^^^^^^^^\n", "")


def test_a_class_outside_builtins_is_named_whole() -> None:
    assert describe(Broken()).type.endswith("test_failure.Broken")


def test_a_str_that_raises_costs_only_the_message() -> None:
    failure = describe(raised(Broken()))
    assert failure.message == "<its __str__ raised RuntimeError>"
    assert "in raised" in failure.traceback


def test_a_huge_message_is_cut() -> None:
    assert len(describe(ValueError("x" * 50_000_000)).message) == MESSAGE_LIMIT


def test_of_a_huge_traceback_the_end_is_kept() -> None:
    text = describe(raised(ValueError("x" * 200_000 + "the end"))).traceback
    assert len(text) <= TRACEBACK_LIMIT + 20
    assert text.endswith("the end\n")


def test_text_and_failures_pass_through() -> None:
    assert describe("said so") == Failure("Failed", "said so")
    assert describe(Failure("A", "b")) == Failure("A", "b")


def test_what_dooms_its_reader_is_kept_all_the_same() -> None:
    failure = describe(raised(Doomed()))
    assert failure.message == "<its __str__ raised Doom>"
    assert "in raised" in failure.traceback
