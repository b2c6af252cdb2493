"""What the runner asks of an executor, and what every executor makes of a run that was asked to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tidegate.jobs import Outcome
from tidegate.runtime.runs import Run

__all__ = ["Executor", "Raised", "RunEnded", "answer", "storable"]


class RunEnded(Exception):
    """The run was asked to end, and that is what became of it; not to be confused with what the handler raises by itself."""

    def __init__(self, why: Outcome) -> None:
        super().__init__(repr(why))
        self.why = why


class Raised(Exception):
    """The handler raised `error`, which must not be raised anywhere else: KeyboardInterrupt, say, would end the loop."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__qualname__)  # not its repr, which is the user's and may raise
        self.error = error


class Executor(Protocol):
    """Runs one call at a time for each consumer."""

    async def run(self, call: Callable[[], Any], *, is_async: bool, run: Run) -> Any:
        """Return what the handler returned or raise what it raised; `RunEnded` where it ended because it was asked to.

        `call` starts the handler: it returns its value, or the coroutine where `is_async`. When `run` is asked to end, a coroutine
        is cancelled; whatever does not end within `kill_after` is abandoned. A cancellation of the caller is passed on as far as
        the executor can.
        """

    @property
    def turn_ends(self) -> float:
        """When, on the loop's clock, calls that wait for nothing have had the loop long enough, and others are to have a turn."""

    @property
    def full(self) -> bool:
        """Whether the next call has to wait for a place: `room` returns when there is one."""

    async def room(self) -> None:
        """Return when there is a place for the next call of the same consumer."""


def answer(run: Run, value: Any, error: BaseException | None, *, heeded: bool) -> Any:
    """Return or raise what a call came to, `heeded` telling that its handler may have ended because it was asked to.

    Then an outcome that it says still counts, a plain value or any other exception does not: whoever swallows a cancellation did
    not do his work.
    """
    said = error if error is not None else value
    if run.why is not None and heeded and not isinstance(said, Outcome):
        raise RunEnded(run.why) from error
    if error is not None:
        raise error
    return value


def storable(error: BaseException) -> Exception | SystemExit:
    """Return `error` as something that may be raised in a consumer: what would end its task or the loop is wrapped in `Raised`."""
    return error if isinstance(error, Exception | SystemExit) and not isinstance(error, StopIteration) else Raised(error)
