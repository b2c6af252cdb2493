"""@job leaves a function what it was, keeps what was said about it, and refuses what cannot be meant."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tidegate.backoff import exponential
from tidegate.errors import ConfigurationError
from tidegate.handlers import Breaker, Call, JobContext, JobFunction, JobSpec, handler_of, job
from tidegate.jobs import Cancel, Cancelled, Dead, Done, Failed, Released, Retry, Snooze, TimedOut
from tidegate.testing import run_virtual


@job(queue="email", max_attempts=5, timeout=30, backoff=exponential(base=1, factor=2, cap=3600), priority=-1)
async def send_welcome_email(user_id: int, locale: str = "en") -> str:
    """Greet a new customer."""
    await asyncio.sleep(1)
    return f"{user_id} {locale}"


@job
def bare(a: int) -> int:
    return a + 1


@job("email")
def queued(a: int) -> int:
    return a


@job(
    kind="welcome", aliases=["hello", "shop.old:hello"], on_error={LookupError: Dead, OSError: exponential(), ValueError: Snooze(5)}
)
def renamed(ctx: JobContext, a: int) -> int:
    return a


def plain(a: int) -> int:
    return a


class Service:
    def method(self) -> None: ...


def generator():
    yield 1


async def async_generator():
    yield 1


def test_a_job_is_still_the_plain_function():
    assert bare(1) == 2


def test_an_async_job_is_still_the_coroutine_function():
    assert run_virtual(send_welcome_email(user_id=1)) == "1 en"


@pytest.mark.parametrize(("function", "is_async"), [(send_welcome_email, True), (bare, False)])
def test_inspect_sees_whether_a_job_is_a_coroutine_function(function, is_async):
    assert inspect.iscoroutinefunction(function) is is_async
    assert handler_of(function).is_async is is_async


def test_a_job_keeps_name_documentation_and_signature():
    assert send_welcome_email.__name__ == "send_welcome_email"
    assert send_welcome_email.__doc__ == "Greet a new customer."
    assert str(inspect.signature(send_welcome_email)) == "(user_id: 'int', locale: 'str' = 'en') -> 'str'"


def test_a_job_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(send_welcome_email)) is send_welcome_email
    assert copy.deepcopy(bare) is bare


def test_a_call_is_pickled_with_its_function_by_name():
    call = send_welcome_email.call(1).options(priority=3)
    assert pickle.loads(pickle.dumps(call)) == call


def test_the_kind_is_module_and_name_unless_it_is_said():
    assert bare.kind == f"{__name__}:bare"
    assert renamed.kind == "welcome"


def test_a_module_that_runs_as_a_program_is_known_by_its_own_name(tmp_path):
    (tmp_path / "shop_program.py").write_text(
        "from tidegate.handlers import job\n@job\ndef send(): ...\nprint(__name__, send.kind)"
    )
    said = subprocess.run([sys.executable, "-m", "shop_program"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == "__main__ shop_program:send\n"


def test_what_is_said_is_kept():
    assert send_welcome_email.spec == JobSpec(
        kind=f"{__name__}:send_welcome_email",
        queue="email",
        max_attempts=5,
        timeout=30,
        backoff=exponential(base=1, factor=2, cap=3600),
        priority=-1,
    )
    assert renamed.spec.aliases == ("hello", "shop.old:hello")
    assert renamed.spec.on_error == {LookupError: Dead, OSError: exponential(), ValueError: Snooze(5)}


def test_what_is_not_said_is_none():
    assert bare.spec == JobSpec(kind=f"{__name__}:bare")
    assert (bare.spec.queue, bare.spec.max_attempts, bare.spec.timeout, bare.spec.backoff) == (None, None, None, None)


def test_the_queue_may_be_given_by_position():
    assert queued.spec.queue == "email"


def test_a_spec_is_frozen():
    with pytest.raises(FrozenInstanceError):
        bare.spec.queue = "other"


def test_a_call_holds_its_arguments_and_runs_nothing():
    assert send_welcome_email.call(1, locale="de") == Call(send_welcome_email, (1,), {"locale": "de"})


def test_its_repr_tells_kind_and_place():
    assert repr(bare) == f"<job {__name__}:bare at {__file__}:{bare.__code__.co_firstlineno}>"


def test_a_handler_knows_the_function_behind_its_job():
    handler = handler_of(renamed)
    assert (handler.kind, handler.function, handler.spec) == ("welcome", renamed.__wrapped__, renamed.spec)
    assert (handler.wants_context, handler.context_place, handler.batch) == ("ctx", 0, None)


def test_a_plain_function_is_a_handler_without_settings():
    handler = handler_of(plain)
    assert (handler.kind, handler.function, handler.spec) == (f"{__name__}:plain", plain, JobSpec(f"{__name__}:plain"))


def test_a_handler_is_made_once():
    assert handler_of(bare) is handler_of(bare)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"queue": 3}, "queue is the name of a queue, got 3"),
        ({"queue": ""}, "queue is the name of a queue, got ''"),
        ({"timeout": 0}, "timeout is a number of seconds above 0, got 0"),
        ({"timeout": -1.5}, "timeout is a number of seconds above 0, got -1.5"),
        ({"timeout": "30"}, "timeout is a number of seconds above 0, got '30'"),
        ({"timeout": True}, "timeout is a number of seconds above 0, got True"),
        ({"timeout": float("inf")}, "timeout is a number of seconds above 0, got inf"),
        ({"timeout": float("nan")}, "timeout is a number of seconds above 0, got nan"),
        ({"max_attempts": 0}, "max_attempts is a whole number from 1 to 32767, got 0"),
        ({"max_attempts": 2.0}, "max_attempts is a whole number from 1 to 32767, got 2.0"),
        ({"max_attempts": True}, "max_attempts is a whole number from 1 to 32767, got True"),
        ({"max_attempts": 32768}, "max_attempts is a whole number from 1 to 32767, got 32768"),
        ({"priority": 101}, "priority is a whole number from -100 (first) to 100 (last), got 101"),
        ({"priority": -101}, "priority is a whole number from -100 (first) to 100 (last), got -101"),
        ({"priority": 1.5}, "priority is a whole number from -100 (first) to 100 (last), got 1.5"),
        ({"priority": None}, "priority is a whole number from -100 (first) to 100 (last), got None"),
        ({"batch": 0}, "batch is a whole number of at least 1, got 0"),
        ({"batch": "10"}, "batch is a whole number of at least 1, got '10'"),
        ({"backoff": 5}, "backoff is exponential(...), linear(...) or constant(...), got 5"),
        ({"on_error": {"ValueError": Dead}}, "on_error maps exception classes, got 'ValueError'"),
        ({"on_error": {int: Dead}}, "on_error maps exception classes, got <class 'int'>"),
        (
            {"on_error": {ValueError: 3}},
            "on_error[ValueError] is a backoff, or one of Done, Retry, Snooze(...), Cancel, Dead; got 3",
        ),
        ({"on_error": {ValueError: Snooze}}, "got <class 'tidegate.jobs.Snooze'>"),
        ({"on_error": {ValueError: Released("x")}}, "got Released(why='x')"),
        ({"on_error": {ValueError: Failed}}, "got <class 'tidegate.jobs.Failed'>"),
        ({"on_error": {ValueError: TimedOut(1)}}, "got TimedOut(after=1, stack='')"),
        ({"on_error": {ValueError: Cancelled}}, "got <class 'tidegate.jobs.Cancelled'>"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_kind(settings, sentence):
    with pytest.raises(ConfigurationError) as caught:
        job(**settings)(plain)
    assert str(caught.value).startswith(f"@job of {__name__}:plain: ")
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize("rule", [Done, Retry, Cancel, Dead, Done(1), Retry(5), Snooze(5), Cancel("x"), Dead("x"), exponential()])
def test_an_error_may_mean_any_outcome_of_a_handler_or_a_backoff(rule):
    assert job(on_error={ValueError: rule})(plain).spec.on_error == {ValueError: rule}


@pytest.mark.parametrize("kind", ["", " ", "two words", "a\n", "x" * 256, 3])
def test_a_kind_is_one_word(kind):
    with pytest.raises(ConfigurationError, match="a job kind is one word of at most 255 characters"):
        job(kind=kind)(plain)
    with pytest.raises(ConfigurationError, match="a job kind is one word of at most 255 characters"):
        job(aliases=[kind])(plain)


def test_aliases_are_a_list():
    with pytest.raises(ConfigurationError, match="aliases is a list of names, got 'old'") as caught:
        job(aliases="old")(plain)
    assert caught.value.hint == "write aliases=['old']"


def test_a_circuit_is_a_name_or_a_breaker_or_none():
    def spec(circuit):
        return job(queue="email", circuit=circuit)(queued.__wrapped__).spec.circuit

    assert (spec(None), spec(True), spec(False)) == (None, True, False)
    assert spec("smtp").name == "smtp"
    breaker = Breaker("smtp", count=[ConnectionError], ignore=[OSError])
    assert spec(breaker) is breaker
    assert repr(breaker) == "<Breaker smtp>"


@pytest.mark.parametrize(
    ("circuit", "sentence"),
    [
        (lambda: 5, "circuit is a name, True, False or a Breaker, got 5"),
        (lambda: "the relay", "a circuit's name has 1 to 63 letters, digits, - and _, and begins with a letter; got 'the relay'"),
        (lambda: Breaker(ignore=ValueError), "ignore of a circuit is a list of exception classes, got <class 'ValueError'>"),
        (lambda: Breaker(count=["ValueError"]), "count of a circuit is a list of exception classes"),
        (lambda: Breaker(count=[ValueError], ignore=[ValueError]), "ValueError cannot both count and be ignored"),
        (lambda: Breaker(predicate=5), "the predicate of a circuit is a function of .error, job., got 5"),
    ],
)
def test_a_circuit_that_cannot_be_meant_is_refused(circuit, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        job(circuit=circuit())(queued.__wrapped__)


@pytest.mark.parametrize(
    ("function", "sentence", "hint"),
    [
        (lambda a: a, "cannot be a job: it is a lambda, and no other process could find it by name", "define it at the top level"),
        (Service.method, "cannot be a job: it is a method, and a job has no self", "define a function at the top level"),
        (generator, "cannot be a job: it is a generator, and calling it runs nothing", "return a value instead of yielding"),
        (async_generator, "cannot be a job: it is a generator, and calling it runs nothing", "return a value instead of yielding"),
        (Service, "cannot be a job: a job is a function, got type", "write `def name(...)`"),
        (functools.partial(plain, 1), "cannot be a job: a job is a function, got partial", "write `def name(...)`"),
        (len, "cannot be a job: a job is a function, got builtin_function_or_method", "write `def name(...)`"),
        (bare, "cannot be a job: a job is a function, got JobFunction", "put @job above the other decorators"),
        (3, "cannot be a job: a job is a function, got int", "write `def name(...)`"),
    ],
)
def test_what_no_node_could_find_or_run_is_refused_with_the_way_out(function, sentence, hint):
    with pytest.raises(ConfigurationError) as caught:
        job(kind="shop:it")(function)
    assert sentence in str(caught.value)
    assert hint in caught.value.hint


def test_a_local_function_is_refused_with_its_place():
    def local() -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        job(local)
    assert "local() -> None" not in str(caught.value)
    assert f"({__file__}:{local.__code__.co_firstlineno})" in str(caught.value)
    assert "it is defined inside another function" in str(caught.value)
    assert caught.value.hint == "define it at the top level of a module, and pass what it closes over as arguments"


def test_a_plain_function_is_held_to_the_same_when_it_is_enqueued():
    with pytest.raises(ConfigurationError, match="it is a lambda"):
        Call(lambda: None).new_job(None, default_queue="email")


def test_unknown_settings_are_a_type_error():
    with pytest.raises(TypeError, match="colour"):
        job(colour="red")


def test_a_job_function_is_known_by_its_class():
    assert isinstance(bare, JobFunction)
    known: Any = plain
    assert not isinstance(known, JobFunction)


def test_redact_names_arguments():
    assert job(redact=["shoe_size"])(plain).spec.redact == ("shoe_size",)
    assert handler_of(job(redact=["shoe_size"])(plain)).redactor.hides("shoeSize")


@pytest.mark.parametrize("names", ["shoe_size", [""], [7]])
def test_redact_is_a_list_of_names(names: object):
    with pytest.raises(ConfigurationError, match="redact"):
        job(redact=names)(plain)
