"""What `@job` says about a function, checked where it is said."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tidegate.backoff import Backoff
from tidegate.errors import ConfigurationError
from tidegate.handlers.breaker import Breaker
from tidegate.jobs import Cancel, Dead, Done, Outcome, Retry, Snooze
from tidegate.lifecycle import ErrorRule

__all__ = [
    "ATTEMPTS",
    "PRIORITIES",
    "JobSpec",
    "checked_function",
    "is_int",
    "is_name",
    "is_number",
    "kind_of",
    "names",
    "place_of",
]

PRIORITIES: Final = range(-100, 101)
ATTEMPTS: Final = range(1, 32_768)  # a smallint of the table
_KIND: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,255}")  # a label of metrics and one word of a command line
_RULES: Final = (Done, Retry, Snooze, Cancel, Dead)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The settings of a kind as its author wrote them. None means: not said, so queue, defaults and built-ins decide."""

    kind: str
    queue: str | None = None
    aliases: tuple[str, ...] = ()
    max_attempts: int | None = None
    timeout: float | None = None
    backoff: Backoff | None = None
    priority: int = 0
    batch: int | None = None
    on_error: Mapping[type[BaseException], ErrorRule] = field(default_factory=dict)
    circuit: Breaker | bool | None = None
    """A circuit by its name or with rules of its own; False: none; True: one, whatever its queue says."""
    redact: tuple[str, ...] = ()
    """Names of arguments, and of what is in them, that are secrets beside those that anybody would take for one."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check(self)


def kind_of(function: Callable[..., Any]) -> str:
    """Return the name under which a function is a job unless its @job says otherwise."""
    module = function.__module__
    if module == "__main__":  # of `python -m myshop.jobs`, which a node knows as myshop.jobs
        module = getattr(getattr(sys.modules[module], "__spec__", None), "name", module)
    return f"{module}:{function.__qualname__}"


def place_of(function: Callable[..., Any]) -> str:
    """Return where a function stands, as file:line."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def names(option: str, value: Any) -> tuple[str, ...]:
    """Return a list of names as a tuple; one bare string is a slip."""
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{option} is a list of names, got {value!r}", hint=f"write {option}=[{value!r}]")
    return tuple(value)


def checked_function(function: Any) -> Callable[..., Any]:
    """Return `function` if a node could find and run it by its name; else say what to do."""
    if not inspect.isfunction(function):
        raise ConfigurationError(
            f"{function!r} cannot be a job: a job is a function, got {type(function).__name__}",
            hint="write `def name(...)` at the top level of a module, and put @job above the other decorators",
        )
    at = f"{function.__qualname__} ({place_of(function)})"
    if function.__name__ == "<lambda>" or "<locals>" in function.__qualname__:
        what = "a lambda" if function.__name__ == "<lambda>" else "defined inside another function"
        raise ConfigurationError(
            f"{at} cannot be a job: it is {what}, and no other process could find it by name",
            hint="define it at the top level of a module, and pass what it closes over as arguments",
        )
    if "." in function.__qualname__:
        raise ConfigurationError(
            f"{at} cannot be a job: it is a method, and a job has no self",
            hint="define a function at the top level of the module, and pass what it needs as arguments",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"{at} cannot be a job: it is a generator, and calling it runs nothing",
            hint="return a value instead of yielding, or enqueue one job for each item",
        )
    return function


def is_int(value: Any) -> bool:
    """Say whether `value` is a whole number; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_name(value: Any) -> bool:
    """Say whether `value` is text that could name something."""
    return isinstance(value, str) and value != ""


def is_number(value: Any) -> bool:
    """Say whether `value` is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(spec: JobSpec) -> None:
    def refuse(what: str, hint: str | None = None) -> ConfigurationError:
        return ConfigurationError(f"@job of {spec.kind}: {what}", hint=hint)

    for name in (spec.kind, *spec.aliases):
        if not is_name(name) or not _KIND.fullmatch(name):
            raise ConfigurationError(f"a job kind is one word of at most 255 characters, got {name!r}")
    if spec.queue is not None and not is_name(spec.queue):
        raise refuse(f"queue is the name of a queue, got {spec.queue!r}")
    if spec.timeout is not None and not (is_number(spec.timeout) and 0 < spec.timeout < math.inf):
        raise refuse(f"timeout is a number of seconds above 0, got {spec.timeout!r}")
    if spec.max_attempts is not None and not (is_int(spec.max_attempts) and spec.max_attempts in ATTEMPTS):
        raise refuse(f"max_attempts is a whole number from 1 to 32767, got {spec.max_attempts!r}")
    if not (is_int(spec.priority) and spec.priority in PRIORITIES):
        raise refuse(f"priority is a whole number from -100 (first) to 100 (last), got {spec.priority!r}")
    if spec.batch is not None and not (is_int(spec.batch) and spec.batch >= 1):
        raise refuse(f"batch is a whole number of at least 1, got {spec.batch!r}")
    if spec.backoff is not None and not isinstance(spec.backoff, Backoff):
        raise refuse(f"backoff is exponential(...), linear(...) or constant(...), got {spec.backoff!r}")
    for name in spec.redact:
        if not is_name(name):
            raise refuse(f"redact has the names of arguments, got {name!r}")
    for error, rule in spec.on_error.items():
        if not _is_exception_class(error):
            raise refuse(f"on_error maps exception classes, got {error!r}")
        if not _is_rule(rule):
            raise refuse(
                f"on_error[{error.__name__}] is a backoff, or one of Done, Retry, Snooze(...), Cancel, Dead; got {rule!r}",
                "Snooze needs its delay: Snooze(60)" if rule is Snooze else None,
            )


def _is_exception_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _is_rule(rule: Any) -> bool:
    if isinstance(rule, type):
        return issubclass(rule, Outcome) and rule in _RULES and rule is not Snooze
    return isinstance(rule, Backoff | Done | Retry | Snooze | Cancel | Dead)
