"""The local variables of the frames in which a handler failed, as text that may be kept.

What stands in them is the application's and may be anything: huge, hostile, secret. So everything is bounded, frames, variables,
text and time; a `__repr__` that raises costs that one value; names and looks of secrets are redacted.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from itertools import islice
from time import perf_counter
from types import FrameType, TracebackType
from typing import Any, Final

from tidegate.failure import storable
from tidegate.fingerprint import Application
from tidegate.redaction import REDACTED, SLACK, Redactor

__all__ = ["local_variables"]

FRAMES: Final = 8  # of the application, the innermost ones
VARIABLES: Final = 30  # of one frame
LONGEST: Final = 400  # characters of one value
BUDGET: Final = 0.003  # seconds for all of it; what comes after that is left out
STEPS: Final = 50_000


def local_variables(
    trace: TracebackType | None, application: Application, redactor: Redactor, clean: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return the application's frames of a traceback, the innermost first, each with where it stood and its variables."""
    until = perf_counter() + BUDGET
    return [_frame(frame, line, redactor, clean, until) for frame, line in _frames(trace, application)]


def _frames(trace: TracebackType | None, application: Application) -> list[tuple[FrameType, int]]:
    found: list[tuple[FrameType, int]] = []
    for _ in range(STEPS):
        if trace is None:
            break
        if application.owns(trace.tb_frame.f_code.co_filename):
            found = [(trace.tb_frame, trace.tb_lineno), *found[: FRAMES - 1]]
        trace = trace.tb_next
    return found


def _frame(frame: FrameType, line: int, redactor: Redactor, clean: Callable[[str], str], until: float) -> dict[str, Any]:
    code = frame.f_code
    variables = {
        name: REDACTED if redactor.hides(name) else _shown(value, clean, until)
        for name, value in islice(frame.f_locals.items(), VARIABLES)
    }
    return {"function": code.co_qualname, "file": code.co_filename, "line": line, "variables": variables}


def _shown(value: Any, clean: Callable[[str], str], until: float) -> str:
    if perf_counter() > until:
        return "<not looked at: there was no time left>"
    try:
        text = _Bounded().repr(value)
    except BaseException as error:  # noqa: BLE001 - a user's __repr__ may raise anything
        return f"<its __repr__ raised {type(error).__name__}>"
    text = storable(clean(text[: LONGEST + SLACK]))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


class _Bounded(reprlib.Repr):
    """Shows containers by their first members and long values by their ends, so that a large one is never written out whole."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxarray = 12
        self.maxstring = self.maxother = LONGEST
        self.maxlong = 60

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Show a mapping; the value of a secret's name is not looked at."""
        if level <= 0:
            return "{...}"
        shown = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in islice(x.items(), self.maxdict)]
        return f"{{{', '.join([*shown, *['...'] * (len(x) > self.maxdict)])}}}"

    def repr_instance(self, x: Any, level: int) -> str:
        """Show anything else by its own repr, cut behind; what cannot show itself raises."""
        del level
        return repr(x)
