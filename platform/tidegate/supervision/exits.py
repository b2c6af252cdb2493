"""How a child ended, as data: the reasons that supervisors and stages decide by.

`Normal` and `Shutdown` are expected ends; everything else is abnormal, and a transient child is restarted after it only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Crash", "Exit", "Killed", "NoProc", "Normal", "Reason", "Shutdown", "expected", "reason_of"]


@dataclass(frozen=True, slots=True)
class Normal:
    """It did its work and returned."""

    def __str__(self) -> str:
        return "normal"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """It was asked to end, or ended as agreed. `detail` says more to people; to those who decide, all shutdowns are equal."""

    detail: object = field(default=None, compare=False)

    def __str__(self) -> str:
        return "shutdown" if self.detail is None else f"shutdown: {self.detail}"


@dataclass(frozen=True, slots=True)
class Crash:
    """It failed with `error`; a cancellation that nobody asked for is one, too."""

    error: BaseException

    def __str__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


@dataclass(frozen=True, slots=True)
class Killed:
    """It did not end when asked, or was not to be asked, and was killed."""

    def __str__(self) -> str:
        return "killed"


@dataclass(frozen=True, slots=True)
class NoProc:
    """There was nothing to ask: it never ran, or was gone before."""

    def __str__(self) -> str:
        return "not there"


Reason: TypeAlias = Normal | Shutdown | Crash | Killed | NoProc


class Exit(Exception):
    """Raised inside a child to end it with `reason`: `raise Exit(Shutdown("drained"))`.

    Raised before the child is ready it is a failure to start, whatever the reason is: OTP has it so, for exit(normal) in init too.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def reason_of(error: BaseException) -> Reason:
    """Return how a child ended that let `error` out: as `Exit` says, else by a crash."""
    return error.reason if isinstance(error, Exit) else Crash(error)


def expected(reason: Reason) -> bool:
    """Tell whether `reason` is an end that was agreed on (normal, shutdown), not a failure."""
    return isinstance(reason, Normal | Shutdown)
