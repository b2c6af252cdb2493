"""What a fingerprint promises beyond the corpus: it never raises, it is bounded, and it says what it was made of."""

from __future__ import annotations

import sys

import pytest
from tests.unit.fingerprint.corpus import caught

from tidegate.fingerprint import Application, Fingerprint, fingerprint, fingerprint_of_text, template

APPLICATION = Application(["shop.jobs"])


def of(error: BaseException, kind: str = "shop.jobs:pack") -> Fingerprint:
    return fingerprint(error, kind=kind, application=APPLICATION)


def fails(n: int) -> None:
    raise ValueError(f"no such parcel: {n}")


def says(text: str) -> None:
    raise LookupError(text)


def test_it_is_short_stable_and_tells_its_grounds() -> None:
    first, second = of(caught(lambda: fails(1))), of(caught(lambda: fails(2)))
    assert first == second
    assert len(first.id) == 16
    assert int(first.id, 16) >= 0
    assert first.grounds == "ValueError at fingerprint/test_fingerprint:fails: no such parcel: <*>"


def test_the_coarse_one_leaves_out_what_was_said() -> None:
    first, second = of(caught(lambda: says("one thing"))), of(caught(lambda: says("quite another")))
    assert first.id != second.id
    assert first.coarse == second.coarse


def test_the_coarse_one_of_a_group_leaves_out_what_its_members_said() -> None:
    def group(*words: str) -> None:
        raise ExceptionGroup("several", [LookupError(word) for word in words])

    first, second = of(caught(lambda: group("a", "b"))), of(caught(lambda: group("c")))
    assert first.id != second.id
    assert first.coarse == second.coarse


def test_without_a_place_in_the_application_the_kind_tells_it() -> None:
    error = ValueError("never raised")
    assert of(error).id != of(error, "shop.jobs:send").id
    assert of(error).grounds.endswith("of shop.jobs:pack")
    with_place = caught(lambda: fails(1))
    assert of(with_place).id == of(with_place, "shop.jobs:send").id


def test_what_must_not_be_kept_is_taken_out_of_messages_first() -> None:
    def masked(text: str) -> str:
        return text.replace("hunter2", "[redacted]")

    error = caught(lambda: says("the password is hunter2"))
    found = fingerprint(error, kind="k", application=APPLICATION, clean=masked)
    assert "hunter2" not in found.grounds


def test_a_chain_of_ten_thousand_links_is_bounded() -> None:
    error: Exception = LookupError("root")
    for number in range(10_000):
        above = type(f"Error{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number % 26]}", (Exception,), {})("x")
        above.__cause__ = error
        error = above
    assert len(of(error).grounds) <= 2_000


def test_groups_within_groups_are_bounded() -> None:
    error: Exception = LookupError("root")
    for _ in range(900):
        error = ExceptionGroup("deeper", [error])
    assert of(error).grounds.count("ExceptionGroup") == 6


def test_a_recursion_beyond_the_usual_limit_is_bounded() -> None:
    def down(n: int) -> None:
        down(n + 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        deep = caught(lambda: down(0))
    finally:
        sys.setrecursionlimit(limit)
    assert "RecursionError at" in of(deep).grounds


def test_an_exception_that_cannot_be_read_costs_only_its_story() -> None:
    class Hostile(BaseExceptionGroup):
        pass

    error = Hostile("x", [ValueError("y")])

    def broken(text: str) -> str:
        raise MemoryError(text)

    found = fingerprint(error, kind="k", application=APPLICATION, clean=broken)
    assert "unreadable: MemoryError" in found.grounds


def test_a_failure_of_which_only_words_are_left_is_grouped_by_them() -> None:
    def told(message: str, trace: str = "", kind: str = "shop.jobs:pack") -> Fingerprint:
        return fingerprint_of_text("TimedOut", message, trace, kind=kind, application=APPLICATION)

    assert told("ran longer than 5 s").id == told("ran longer than 60 s").id
    assert told("ran longer than 5 s").id != told("ran longer than 5 s", kind="shop.jobs:send").id
    trace = 'Traceback (most recent call last):\n  File "/srv/shop/jobs.py", line 7, in pack\n    fold()\nTimedOut: x\n'
    assert told("x", trace).grounds == "TimedOut at shop/jobs:pack: x"
    assert told("x", trace.replace("/srv", "/home").replace("7", "9")).id == told("x", trace).id


def test_words_of_the_given_code_are_told_from_data() -> None:
    def returns() -> str:
        return f"no route to {__name__}"

    def told(message: str) -> str:
        return fingerprint_of_text("Dead", message, kind="k", application=APPLICATION, also=(returns.__code__,)).id

    assert told("no route to Rome") == told("no route to New York City")


@pytest.mark.parametrize(
    ("filename", "owned"),
    [
        ("/srv/app/shop/jobs.py", True),
        ("/opt/venv/lib/python3.11/site-packages/shop/jobs.py", True),
        ("/opt/venv/lib/python3.11/site-packages/shop.py", True),
        ("/opt/venv/lib/python3.11/site-packages/shopify/api.py", False),
        ("/usr/lib/python3/dist-packages/requests/api.py", False),
        ("/usr/lib/python3.12/json/decoder.py", False),
        ("/usr/lib64/python3.11/asyncio/tasks.py", False),
        ("<frozen importlib._bootstrap>", False),
        ("<string>", True),
    ],
)
def test_whose_code_it_is_is_told_by_its_file(filename: str, owned: bool) -> None:
    assert APPLICATION.owns(filename) is owned


def test_of_tidegate_only_the_part_that_holds_jobs_can_be_the_applications() -> None:
    demo = sys.modules["tidegate"].__file__.replace("__init__.py", "demo/jobs.py")
    runner = sys.modules["tidegate"].__file__.replace("__init__.py", "runtime/runner.py")
    assert Application(["tidegate.demo.jobs"]).owns(demo)
    assert not Application(["tidegate.demo.jobs"]).owns(runner)
    assert not APPLICATION.owns(demo)
    assert repr(Application(["tidegate.demo.jobs"])) == "<Application tidegate.demo>"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("took 12.5 s, 3,000 rows", "took <n> s, <n> rows"),
        ("user 5a1f4b5e-98a7-4d3c-a9f3-0f7f3c6f1f10 is gone", "user <id> is gone"),
        ("cannot open /var/lib/x/1.csv", "cannot open <path>"),
        ("GET https://a.example/x?y=1 failed", "GET <url> failed"),
        ("mail to ada@example.com bounced", "mail to <email> bounced"),
        ("10.0.0.1:5432 and db.example:5432 refused", "<host> and <host> refused"),
        ("::1 refused, fe80::1 refused, 2001:db8:0:0:0:0:2:1 refused", "<host> refused, <host> refused, <host> refused"),
        ("<Order object at 0x7f3a>", "<Order object at <address>>"),
        ("at 2026-01-02T03:04:05.678Z and 12:30:01", "at <time> and <time>"),
        ("it's Ada's", "it's Ada's"),
        ("no column 'name' in \"users\"", "no column <str> in <str>"),
        ("[1, 2, 3] and {'a': 1, 'b': 2}", "[<n>] and {<str>: <n>}"),
        ("job q17 of a1b2c3", "job q<n> of <id>"),
        ("commit deadbeef00", "commit <id>"),
        ("\n\n  first\nsecond", "first"),
        ("", ""),
        ("x" * 100_000, "x" * 300),
    ],
)
def test_data_is_told_by_its_looks(message: str, expected: str) -> None:
    assert template(message) == expected


def test_a_hostile_message_takes_no_time() -> None:
    import time

    started = time.thread_time()
    for text in ("a@" * 5_000, "'" * 50_000, "/" * 50_000, "0" * 50_000, "1:" * 50_000, "{" * 50_000, "\\'" * 30_000, "a" * 10**6):
        template(text)
    assert time.thread_time() - started < 2
