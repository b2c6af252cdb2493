"""What is kept of a failure: without secrets, with a fingerprint, and with local variables where they are asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate import job
from tidegate.fingerprint import Application
from tidegate.handlers import handler_of
from tidegate.jobs import Failure, Job
from tidegate.redaction import REDACTED
from tidegate.runtime.describing import Account, Describer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
APPLICATION = Application(["tests"])


@job(redact=["shoe_size"])
def sign_in(user: str, password: str, shoe_size: int = 0) -> None:
    attempt = f"{user}:{password}"
    raise PermissionError(f"login {attempt} refused for size {shoe_size}")


def account(*args: Any, with_locals: bool = False, stored: bytes | None = None, **kwargs: Any) -> Account:
    call = json.dumps({"args": args, "kwargs": kwargs}).encode() if stored is None else stored
    jobs = [Job(1, "email", "tests:sign_in", call, 1, None, 0, 1, 1, NOW, NOW, 0.0)]
    return Describer(APPLICATION, with_locals=with_locals).account("tests:sign_in", handler_of(sign_in), jobs)


def caught(*args: Any) -> BaseException:
    try:
        sign_in(*args)
    except PermissionError as error:
        return error
    raise AssertionError


def test_secrets_of_the_arguments_are_taken_out_of_message_and_traceback() -> None:
    failure = account("ada", "hunter2", shoe_size=44_444)(caught("ada", "hunter2", 44_444))
    assert failure.message == f"login ada:{REDACTED} refused for size {REDACTED}"
    assert "hunter2" not in failure.traceback
    assert "44444" not in failure.traceback
    assert "hunter2" not in failure.grounds


def test_the_fingerprint_does_not_depend_on_the_data() -> None:
    first, second = account("ada", "hunter2")(caught("ada", "hunter2")), account("bob", "secret!")(caught("bob", "secret!"))
    assert first.fingerprint == second.fingerprint != ""
    assert first.grounds.startswith("PermissionError at runtime/test_describing:sign_in")


def test_one_error_is_described_once() -> None:
    error = caught("ada", "hunter2")
    told = account("ada", "hunter2")
    assert told(error) is told(error)


def test_a_failure_in_words_is_cleaned_and_grouped_too() -> None:
    told = account("ada", "hunter2")
    failure = told(Failure("TimedOut", "ran longer than 5 s with hunter2", "trace hunter2"))
    assert (failure.message, failure.traceback) == (f"ran longer than 5 s with {REDACTED}", f"trace {REDACTED}")
    assert failure.fingerprint
    assert told("a plain sentence").type == "Failed"


def test_a_fingerprint_from_where_it_happened_is_kept() -> None:
    failure = account()(Failure("ValueError", "x", "", "0123456789abcdef", "ValueError at shop/jobs:f"))
    assert (failure.fingerprint, failure.grounds) == ("0123456789abcdef", "ValueError at shop/jobs:f")


def test_the_group_may_be_chosen_coarser() -> None:
    describer = Describer(APPLICATION, assign=lambda kind, found: found.coarse)
    told = describer.account("k", None, [])
    assert told(caught("ada", "x")).fingerprint == told(caught("bob", "y")).fingerprint


@pytest.mark.parametrize("stored", [b"\xff", b"[", b"[1]", b'"hunter2"', b'{"args": 3, "kwargs": []}', b"[" * 100_000])
def test_arguments_that_do_not_read_cost_nothing(stored: bytes) -> None:
    assert account(stored=stored)("x").message == "x"


def test_a_secret_is_not_cut_in_half() -> None:
    secret = "correct horse battery staple" * 20
    text = "x" * (8_192 - 20) + secret
    failure = account("ada", secret)(text)
    assert "correct" not in failure.message
    trace = "y" * 100 + secret + "z" * (65_536 - 10)
    assert "staple" not in account("ada", secret)(Failure("E", "m", trace)).traceback


class TestLocals:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The time that the budget is spent by: a machine under load may take it all before the first value is looked at."""
        now = [0.0]
        monkeypatch.setattr("tidegate.runtime.local_variables.perf_counter", lambda: now[0])
        return now

    def test_they_are_kept_where_they_are_asked_for_without_secrets(self) -> None:
        failure = account("ada", "hunter2", 44_444, with_locals=True)(caught("ada", "hunter2", 44_444))
        assert failure.locals is not None
        [frame, *_] = failure.locals
        assert frame["function"] == "sign_in"
        assert frame["variables"] == {
            "user": "'ada'", "password": REDACTED, "shoe_size": REDACTED, "attempt": f"'ada:{REDACTED}'",
        }  # fmt: skip
        assert json.dumps(failure.locals)

    def test_they_are_not_kept_otherwise(self) -> None:
        assert account("ada", "x")(caught("ada", "x")).locals is None

    def test_hostile_values_cost_only_themselves(self) -> None:
        class Broken:
            def __repr__(self) -> str:
                raise RuntimeError("no")

        def fails() -> None:
            broken = Broken()  # noqa: F841
            huge, long = list(range(10**6)), "x" * 10**6  # noqa: F841
            odd = "a\x00b\udcff"  # noqa: F841
            nested: dict[str, Any] = {"password": "hunter2", "n": {str(n): n for n in range(100)}}
            nested["self"] = nested
            raise ValueError

        [frame, *_] = account(with_locals=True)(_caught(fails)).locals or []
        variables = frame["variables"]
        assert variables["broken"] == "<its __repr__ raised RuntimeError>"
        assert len(variables["huge"]) < 100
        assert len(variables["long"]) <= 410
        assert "hunter2" not in variables["nested"]
        assert "..." in variables["nested"]
        assert "\x00" not in variables["odd"]

    def test_time_that_they_take_is_bounded(self, clock: list[float]) -> None:
        class Slow:
            def __repr__(self) -> str:
                clock[0] += 0.01
                return "slow"

        def fails(a: Slow, b: Slow, c: Slow) -> None:
            raise ValueError

        [frame, *_] = account(with_locals=True)(_caught(lambda: fails(Slow(), Slow(), Slow()))).locals or []
        assert list(frame["variables"].values()) == ["slow", *["<not looked at: there was no time left>"] * 2]

    def test_the_innermost_frames_of_a_deep_stack_are_kept(self) -> None:
        def down(n: int) -> None:
            if n == 0:
                raise ValueError
            down(n - 1)

        frames = account(with_locals=True)(_caught(lambda: down(50))).locals or []
        assert [frame["variables"]["n"] for frame in frames] == [str(n) for n in range(8)]


def _caught(call: Any) -> BaseException:
    try:
        call()
    except ValueError as error:
        return error
    raise AssertionError
