"""What `@job(circuit=...)` can say beyond a name: which exceptions count against the circuit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from tidegate.errors import ConfigurationError
from tidegate.jobs import Job

__all__ = ["Breaker", "Predicate", "breaker_of"]

Predicate = Callable[[BaseException, Job[Any]], bool | None]
"""True: a failure of the dependency; False: it says nothing of it; None: the next rule decides."""

_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9_-]{0,62}")


class Breaker:
    """Which circuit a kind has, and which of its exceptions are failures of what it depends on.

    `@job(circuit=Breaker("smtp", ignore=[smtplib.SMTPRecipientsRefused]))`: of two listed classes the nearer one decides, then the
    predicate, then queues.yaml; what nobody names is a failure. Without a name the kind has a circuit of its own, or its queue's.
    """

    __slots__ = ("count", "ignore", "name", "predicate")

    def __init__(
        self,
        name: Any = None,
        *,
        count: Sequence[type[BaseException]] = (),
        ignore: Sequence[type[BaseException]] = (),
        predicate: Predicate | None = None,
    ) -> None:
        self.name: str | None = name
        self.count = _classes("count", count)
        self.ignore = _classes("ignore", ignore)
        self.predicate = predicate
        if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ConfigurationError(
                f"a circuit's name has 1 to 63 letters, digits, - and _, and begins with a letter; got {name!r}"
            )
        if predicate is not None and not callable(predicate):
            raise ConfigurationError(f"the predicate of a circuit is a function of (error, job), got {predicate!r}")
        if both := set(self.count) & set(self.ignore):
            raise ConfigurationError(f"{both.pop().__name__} cannot both count and be ignored")

    def __repr__(self) -> str:
        return f"<Breaker {self.name or 'of its own'}>"


def breaker_of(said: Any) -> Breaker | bool | None:
    """Return what was said of a circuit: None nothing, False that there is none, True or a Breaker that there is one."""
    if said is None or isinstance(said, bool | Breaker):
        return said
    if isinstance(said, str):
        return Breaker(said)
    raise ConfigurationError(
        f"circuit is a name, True, False or a Breaker, got {said!r}",
        hint='such as @job(circuit="smtp")',
    )


def _classes(option: str, value: Any) -> tuple[type[BaseException], ...]:
    listed = isinstance(value, list | tuple)
    if not listed or not all(isinstance(each, type) and issubclass(each, BaseException) for each in value):
        raise ConfigurationError(f"{option} of a circuit is a list of exception classes, got {value!r}")
    return tuple(value)
