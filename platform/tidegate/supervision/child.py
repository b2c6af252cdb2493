"""What a supervisor looks after, and what it tells about it.

Anything with the four verbs of `Child` can be supervised: a stage, a process, a function, a supervisor. A `ChildSpec` says how to
make one and what to do when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from tidegate.backoff import Backoff
from tidegate.supervision.exits import Reason

__all__ = [
    "BRUTAL",
    "DEFAULT",
    "IGNORE",
    "START_TIMEOUT",
    "AutoShutdown",
    "Brutal",
    "Child",
    "ChildCounts",
    "ChildInfo",
    "ChildSpec",
    "ChildState",
    "Default",
    "Ignore",
    "Kind",
    "Restart",
    "Strategy",
    "TreeNode",
]

Kind: TypeAlias = Literal["worker", "supervisor"]


class Restart(StrEnum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """After an abnormal end only."""
    TEMPORARY = "temporary"
    """Never; its spec is forgotten when it ends."""


class Strategy(StrEnum):
    """Which siblings are restarted together with a child."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class AutoShutdown(StrEnum):
    """Whether the end of significant children ends their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Brutal(Enum):
    """Kill at once, without asking."""

    BRUTAL = "brutal"


class Default(Enum):
    """What is usual: 5 seconds for a worker, no limit for a supervisor."""

    DEFAULT = "default"


class Ignore(Enum):
    """Returned by a child's `start()`: nothing to run, and that is no error."""

    IGNORE = "ignore"


BRUTAL: Final = Brutal.BRUTAL
DEFAULT: Final = Default.DEFAULT
IGNORE: Final = Ignore.IGNORE
START_TIMEOUT: Final = 30.0  # seconds, where a spec says nothing else


@runtime_checkable
class Child(Protocol):
    """Something that can be started, asked to end, waited for, and killed.

    A child may have more, and supervisors use it where it is there: `alive` (False once it ended or was killed), `stack() -> str`
    (logged when it is abandoned), `describe() -> Mapping[str, object]` (shown in the tree), `tree()` (it is a supervisor), and
    `kill_grace: float` (how long its end may take after `kill()`).
    """

    async def start(self) -> object:
        """Return when it is ready, or IGNORE where there is nothing to run; raise when it cannot start."""

    async def stop(self, reason: Reason, timeout: float | None) -> None:
        """Ask it to end with `reason` and return once it has, after `timeout` seconds at the latest (None: no limit)."""

    async def join(self) -> Reason:
        """Wait for its end and return the reason; being cancelled here does not touch the child."""

    def kill(self) -> None:
        """End it without asking, at once; do nothing when it has ended."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to make a child and what to do about its end. `start` is called anew for every start and returns a fresh child."""

    id: str
    start: Callable[..., Child]
    restart: Restart = Restart.PERMANENT
    shutdown: float | Brutal | Default | None = DEFAULT
    """Seconds between being asked and being killed; None waits without limit."""
    significant: bool = False
    start_timeout: float = START_TIMEOUT
    backoff: Backoff | None = None
    """Waits between the restarts of a child that does not stay up; None restarts at once, as OTP does."""

    def __post_init__(self) -> None:
        """Refuse what no supervisor could follow."""
        if not self.id:
            raise ValueError("a child needs an id that is not empty")
        if isinstance(self.shutdown, int | float) and not self.shutdown >= 0:
            raise ValueError(f"shutdown of child {self.id!r} must be 0 seconds or more, BRUTAL or None; got {self.shutdown}")
        if not self.start_timeout > 0:
            raise ValueError(f"start_timeout of child {self.id!r} must be more than 0 seconds; got {self.start_timeout}")


class ChildState(StrEnum):
    """Where a child is."""

    STARTING = "starting"
    """Its first start is under way."""
    UP = "up"
    RESTARTING = "restarting"
    """It ended or failed to start, and is about to be started (again)."""
    DOWN = "down"
    ZOMBIE = "zombie"
    """It did not end when killed, and was abandoned."""


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One child of a supervisor, as `which_children` shows it. `since` is the supervisor's clock when `state` began."""

    id: str
    state: ChildState
    type: Kind
    restarts: int
    since: float


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """How many children a supervisor has: all specs, those that run, and the specs by type."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One node of a supervision tree, for dashboards and the command line."""

    name: str
    kind: Kind
    state: ChildState
    restarts: int
    since: float
    children: tuple[TreeNode, ...] = ()
    detail: Mapping[str, object] = field(default_factory=dict)
