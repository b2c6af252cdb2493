"""What went wrong in a run, in the words that are kept: without secrets, bounded, with its fingerprint.

One `Account` is made for each call of a handler and costs nothing until something went wrong. What the arguments and the
meta hold under the name of a secret is taken out of every text, wherever it stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any, Final

from tidegate.failure import describe
from tidegate.fingerprint import Application, Fingerprint, fingerprint, fingerprint_of_text
from tidegate.handlers import Handler
from tidegate.handlers.codec import loads
from tidegate.jobs import Failure, Job
from tidegate.redaction import Redactor
from tidegate.runtime.local_variables import local_variables

__all__ = ["Account", "Assign", "Describer"]

CALLERS: Final = tuple(str(Path(__file__).parents[1] / part) for part in ("runtime", "handlers"))

Assign = Callable[[str, Fingerprint], str]
"""Chooses the group of a kind's failure: the fingerprint, or a coarser one where there are too many."""


class Describer:
    """Makes the accounts of one queue's runs; `with_locals` keeps the local variables of what failed."""

    def __init__(
        self, application: Application, *, assign: Assign = lambda _kind, found: found.id, with_locals: bool = False
    ) -> None:
        self.application = application
        self.assign = assign
        self.with_locals = with_locals

    def account(self, kind: str, handler: Handler | None, jobs: Sequence[Job[bytes]]) -> Account:
        """Return the account of one call."""
        return Account(self, kind, handler, jobs)


class Account:
    """Puts what went wrong in one call into words: `account(error)` is its Failure; the same error is described once."""

    def __init__(self, describer: Describer, kind: str, handler: Handler | None, jobs: Sequence[Job[bytes]]) -> None:
        self.redactor = handler.redactor if handler is not None else Redactor()
        self._describer = describer
        self._kind = kind
        self._handler = handler
        self._jobs = jobs
        self._known: dict[int, tuple[Any, Failure]] = {}

    def __call__(self, error: BaseException | Failure | str) -> Failure:
        """Return what is kept of `error`."""
        known = self._known.get(id(error))
        if known is not None and known[0] is error:
            return known[1]
        failure = self._describe(error)
        self._known[id(error)] = (error, failure)
        return failure

    def clean(self, text: str) -> str:
        """Return a text without the secrets of this call, and without whatever else is one."""
        return self.redactor.text(text, secrets=self._secrets)

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        calls = [call for job in self._jobs for call in (_call(job.args), ((), job.meta))]
        found = {text for call in calls for text in self.redactor.secrets(*call)}
        return tuple(sorted(found, key=len, reverse=True))

    def _describe(self, error: BaseException | Failure | str) -> Failure:
        describer, kind, also = self._describer, self._kind, tuple(self._code())
        failure = describe(error, skip=_ours(error), clean=self.clean)
        if isinstance(error, BaseException):
            found = fingerprint(error, kind=kind, application=describer.application, clean=self.clean, also=also)
            if describer.with_locals:
                failure = replace(
                    failure, locals=local_variables(error.__traceback__, describer.application, self.redactor, self.clean)
                )
        elif failure.fingerprint:  # told where it happened, in another process
            found = Fingerprint(failure.fingerprint, failure.coarse, failure.grounds)
        else:
            found = fingerprint_of_text(
                failure.type, failure.message, failure.traceback, kind=kind, application=describer.application, also=also
            )
        return replace(failure, fingerprint=describer.assign(kind, found), grounds=found.grounds, coarse=found.coarse)

    def _code(self) -> Iterator[CodeType]:
        code = getattr(self._handler.function, "__code__", None) if self._handler is not None else None
        if isinstance(code, CodeType):
            yield code


def _ours(error: BaseException | Failure | str) -> int:
    """Return how many of the outermost frames of a traceback are those that called the handler."""
    trace = error.__traceback__ if isinstance(error, BaseException) else None
    ours = 0
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(CALLERS):
        trace = trace.tb_next
        ours += 1
    return ours


def _call(args: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a stored call, as far as they can be read."""
    try:
        call = loads(args.decode())
    except (ValueError, RecursionError):
        return [], {}
    if not isinstance(call, dict):
        return [call], {}
    positional, named = call.get("args", []), call.get("kwargs", {})
    return positional if isinstance(positional, list) else [], named if isinstance(named, dict) else {}
