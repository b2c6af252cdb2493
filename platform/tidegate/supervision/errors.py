"""What supervisors and registries refuse, each refusal a class of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import ConfigurationError, NotFound, Refused, TidegateError

if TYPE_CHECKING:
    from tidegate.supervision.child import Child
    from tidegate.supervision.exits import Reason

__all__ = [
    "AlreadyPresent",
    "AlreadyRegistered",
    "AlreadyStarted",
    "BadCombination",
    "ChildDown",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "DeadOwner",
    "DuplicateChild",
    "FailedToStart",
    "MaxChildren",
    "MaxIntensity",
    "NotReady",
    "NotRegistered",
    "NotRunning",
    "ProcessDied",
    "StartTimeout",
    "SystemExitInChild",
]


class BadCombination(ConfigurationError):
    """Settings of a supervisor and a child that contradict each other."""


class DuplicateChild(ConfigurationError):
    """Two children of one supervisor were given the same id."""

    def __init__(self, child_id: str) -> None:
        super().__init__(f"two children have the id {child_id!r}", hint="give each child of a supervisor an id of its own")
        self.id = child_id


class NotRunning(Refused):
    """The supervisor was asked for something before its start or after its end."""

    def __init__(self, name: str) -> None:
        super().__init__(f"supervisor {name} is not running")


class FailedToStart(TidegateError):
    """A child could not be started; `reason` says why."""

    def __init__(self, child_id: str, reason: Reason) -> None:
        super().__init__(f"child {child_id!r} failed to start: {reason}")
        self.id = child_id
        self.reason = reason


class StartTimeout(TidegateError):
    """A child was not ready in time."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} was not ready within {seconds:g} s")
        self.seconds = seconds


class NotReady(TidegateError):
    """A child ended, or was asked to end, before it was ready."""


class AlreadyStarted(Refused):
    """A child of that id runs; `child` is the running one (None while it is being restarted)."""

    def __init__(self, child_id: str, child: Child | None = None) -> None:
        super().__init__(f"{child_id!r} is already started")
        self.id = child_id
        self.child = child


class AlreadyPresent(Refused):
    """A child of that id is known and down."""

    def __init__(self, child_id: str) -> None:
        super().__init__(f"child {child_id!r} is present, but down", hint="restart_child starts it, delete_child forgets it")
        self.id = child_id


class ChildNotFound(NotFound):
    """No child of that id."""

    def __init__(self, child_id: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(f"no child {child_id!r}", hint=f"children: {', '.join(known) or 'none'}")
        self.id = child_id


class ChildDown(Refused):
    """The child is known, and no instance of it runs."""

    def __init__(self, child_id: str, state: str) -> None:
        super().__init__(f"child {child_id!r} is {state}")
        self.id = child_id


class ChildRunning(Refused):
    """Only a child that is down can be restarted or deleted by hand."""

    def __init__(self, child_id: str) -> None:
        super().__init__(f"child {child_id!r} is running", hint="terminate_child stops it")
        self.id = child_id


class ChildRestarting(Refused):
    """The child is being restarted already."""

    def __init__(self, child_id: str) -> None:
        super().__init__(f"child {child_id!r} is being restarted", hint="terminate_child ends the attempts")
        self.id = child_id


class MaxChildren(Refused):
    """The supervisor has as many children as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"max_children of {limit} is reached")
        self.limit = limit


class MaxIntensity(TidegateError):
    """A supervisor gave up: `id` was the child that it would have had to restart once too often, after `reason`."""

    def __init__(self, child_id: str, reason: Reason, intensity: float, period: float) -> None:
        super().__init__(f"more than {intensity:g} restarts within {period:g} s; the last one asked for by {child_id!r}: {reason}")
        self.id = child_id
        self.reason = reason


class ProcessDied(TidegateError):
    """A process ended in a way that nobody asked for: by itself with an exit code, or by a signal."""

    def __init__(self, target: str, pid: int, *, exit_code: int | None = None, signal: str | None = None) -> None:
        how = f"was ended by {signal}" if signal else f"ended with exit code {exit_code}"
        super().__init__(f"process {pid} ({target}) {how}")
        self.target = target
        self.pid = pid
        self.returncode = exit_code
        self.signal = signal


class SystemExitInChild(TidegateError):
    """A child called sys.exit(), which ends a program, not one of its parts."""

    def __init__(self, code: object) -> None:
        super().__init__(f"sys.exit({code!r}) was called inside a child", hint="return, or raise an error, to end a child")
        self.code = code


class AlreadyRegistered(Refused):
    """The key belongs to another live owner."""

    def __init__(self, key: object, owner: object) -> None:
        super().__init__(f"{key!r} is already registered by {owner!r}")
        self.key = key
        self.owner = owner


class NotRegistered(NotFound):
    """The owner holds no such key."""

    def __init__(self, key: object, owner: object) -> None:
        super().__init__(f"{owner!r} holds no key {key!r}")
        self.key = key
        self.owner = owner


class DeadOwner(Refused):
    """An owner that has ended cannot register anything."""

    def __init__(self, key: object, owner: object) -> None:
        super().__init__(f"{owner!r} has ended and cannot register {key!r}")
        self.key = key
        self.owner = owner
