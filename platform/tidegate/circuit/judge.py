"""What a run says of its circuit: ok, fail, or nothing (rule 6, the first that matches).

What a handler decided on purpose (snooze, cancel, dead), what never ran or did not fit (invalid, released, a lost lease) and what
is wrong with this node alone (no memory, no file descriptors, its own database) say nothing about the dependency.
"""

from __future__ import annotations

import errno
import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from tidegate.circuit.machine import Result
from tidegate.errors import DatabaseError
from tidegate.handlers import Breaker, Handlers, InvalidResult
from tidegate.jobs import Failed, Failure, Job, Outcome, Retry, Word
from tidegate.lifecycle import Ack

__all__ = ["ErrorRules", "Judge", "error_class", "once"]

logger = logging.getLogger("tidegate.circuit")

FAILURES: Final = frozenset({Word.FAILED, Word.RETRIED, Word.TIMED_OUT, Word.CRASHED})
NODE_LOCAL: Final = (MemoryError, DatabaseError, InvalidResult)
NODE_LOCAL_NAMES: Final = frozenset({"sqlalchemy.exc.TimeoutError", "psycopg_pool.PoolTimeout", "psycopg_pool.errors.PoolTimeout"})
"""By name, so that nothing is imported for it: no connection of this node's own pools was free."""
NODE_LOCAL_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC})


@dataclass(frozen=True, slots=True)
class ErrorRules:
    """What a kind's configuration says of exceptions: its @job, then its queue or its shared circuit."""

    breaker: Breaker | None = None
    count: tuple[type[BaseException], ...] = ()
    ignore: tuple[type[BaseException], ...] = ()


class Judge:
    """Judges runs by the rules of their kinds. A kind without a circuit is not judged."""

    def __init__(self, rules: Mapping[str, ErrorRules] | None = None) -> None:
        self._rules = rules or {}

    def written(self) -> dict[str, Any]:
        """Return what queues.yaml says of exceptions as JSON, for the process of a consumer."""
        return {kind: [[_name(cls) for cls in each] for each in (rules.count, rules.ignore)] for kind, rules in self._rules.items()}

    @classmethod
    def recalled(cls, written: Mapping[str, Any], handlers: Handlers) -> Self:
        """Return the judge that was written down, over handlers of this process."""
        rules = {}
        for kind, (count, ignore) in written.items():
            said = handlers.resolve(kind).spec.circuit
            found = [tuple(error for name in names if (error := error_class(name)) is not None) for names in (count, ignore)]
            rules[kind] = ErrorRules(said if isinstance(said, Breaker) else None, *found)
        return cls(rules)

    def __call__(self, job: Job[Any], word: Word, outcome: Outcome) -> Result:
        """Return what the outcome of a run says of its circuit."""
        if word is Word.DONE:
            return "ok"
        rules = self._rules.get(job.kind)
        if rules is None or word not in FAILURES:
            return "ignore"
        error = _error(outcome)
        return "fail" if error is None or _counts(error, job, rules) else "ignore"


def error_class(name: str) -> type[BaseException] | None:
    """Return the exception of that name: a built-in one, or one by its module; None where there is none."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module or "builtins"), attribute, None)
    except ImportError:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def once(acks: Sequence[Ack]) -> list[Ack]:
    """Return the acks of one call for many jobs with what the call says of its circuit on the first of them: it is one run.

    It failed where none of its jobs went well: one that poisons its batch would else count as often as there are jobs in it.
    """
    said = [ack.health for ack in acks]
    health: Result = "ok" if "ok" in said else "fail" if "fail" in said else "ignore"
    at = said.index(health)
    return [replace(ack, health=health if place == at else "ignore") for place, ack in enumerate(acks)]


def _error(outcome: Outcome) -> BaseException | None:
    match outcome:
        case Failed(error=BaseException() as error):
            return error
        case Failed(error=Failure(type=name)):
            return _Elsewhere(name)
        case Retry():
            return outcome.__cause__
        case _:
            return None


class _Elsewhere(Exception):
    """An error of another process, of which only the name of its class is known."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _counts(error: BaseException, job: Job[Any], rules: ErrorRules) -> bool:
    if isinstance(error, NODE_LOCAL) or _names(error) & NODE_LOCAL_NAMES or getattr(error, "errno", None) in NODE_LOCAL_ERRNOS:
        return False
    breaker = rules.breaker
    if breaker is not None:
        said = _nearest(error, breaker.count, breaker.ignore)
        if said is None and breaker.predicate is not None:
            said = _asked(breaker, error, job)
        if said is not None:
            return said
    said = _nearest(error, rules.count, rules.ignore)
    return True if said is None else said


def _nearest(error: BaseException, count: tuple[type[BaseException], ...], ignore: tuple[type[BaseException], ...]) -> bool | None:
    if isinstance(error, _Elsewhere):
        named = [_name(cls) for cls in count], [_name(cls) for cls in ignore]
        return True if error.name in named[0] else False if error.name in named[1] else None
    for cls in type(error).__mro__:
        if cls in count:
            return True
        if cls in ignore:
            return False
    return None


def _asked(breaker: Breaker, error: BaseException, job: Job[Any]) -> bool | None:
    try:
        return breaker.predicate(error, job) if breaker.predicate is not None else None
    except Exception:
        logger.exception("the predicate of %r raised on %r; the error counts as if there were none", breaker, error)
        return None


def _names(error: BaseException) -> set[str]:
    return {error.name} if isinstance(error, _Elsewhere) else {_name(cls) for cls in type(error).__mro__}


def _name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
