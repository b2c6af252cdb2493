"""The settings of queues.yaml: every key, what it may hold, and what it is where nobody says it.

Everything here is frozen, refuses keys that it does not know, and states each default once, in the field. `Settings` is the whole;
a part of the platform that serves one queue receives that queue's `QueueSettings` and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tidegate.backoff import Backoff, constant, exponential, linear
from tidegate.settings.absent import EXECUTORS
from tidegate.settings.circuits import CircuitOptions
from tidegate.settings.durations import Duration, Size, format_size
from tidegate.settings.group import Flag, Frozen, Number, Whole, whole
from tidegate.settings.scaling import Scaling
from tidegate.settings.words import did_you_mean, listed, shown

__all__ = [
    "QUEUE_NAME",
    "BackoffOptions",
    "Consumers",
    "Defaults",
    "Demand",
    "Executor",
    "Forensics",
    "Frozen",
    "QueueOptions",
    "QueueSettings",
    "Retention",
]

QUEUE_NAME: Final = "[A-Za-z][A-Za-z0-9_-]{0,62}"

LARGEST_JSON: Final = 128 * 1024**2  # half of what a jsonb value may hold

LEAST_MEMORY: Final = 64 * 1024**2  # an interpreter with the jobs of a small module takes half of it

Executor = Literal["async", "thread", "process"]


def _executor(value: Any) -> Any:
    if value in get_args(Executor):
        return value
    choose = f"choose {listed(get_args(Executor), 'or')}"
    if isinstance(value, str) and value in EXECUTORS:
        raise ValueError(f"{value} does not exist in this version ({EXECUTORS[value]}); {choose}")
    close = did_you_mean(value, get_args(Executor)) if isinstance(value, str) else ""
    raise ValueError(f"unknown executor {shown(value)}{close or f'; {choose}'}")


def _enough(size: int) -> int:
    if 0 < size < LEAST_MEMORY:
        raise ValueError(f"must be at least {format_size(LEAST_MEMORY)}, for Python itself; got {format_size(size)}")
    return size


def _json_size(size: int) -> int:
    if not 2 <= size <= LARGEST_JSON:
        raise ValueError(f"must lie between 2 bytes and {format_size(LARGEST_JSON)}, got {format_size(size)}")
    return size


JsonSize = Annotated[Size, AfterValidator(_json_size)]


class Consumers(Frozen):
    """How many jobs (or batches) of a queue run at once on each node. One number is a fixed pool."""

    form: ClassVar[str] = "a number or a mapping such as {min: 1, max: 5}"
    shorthand: ClassVar[Mapping[str, Any] | None] = {"type": "integer", "minimum": 1, "maximum": 10_000}

    min: Annotated[Whole, Field(ge=0, le=10_000)] = 1
    """The fewest consumers; 0 lets the pool be empty while there is nothing to do."""
    max: Annotated[Whole, Field(ge=1, le=10_000)] = 10
    """The most consumers."""

    @classmethod
    def spread(cls, value: Any) -> Any:
        """Write a fixed number `n` out as `{min: n, max: n}`."""
        try:
            return {"min": whole(value), "max": whole(value)}
        except ValueError:
            return super().spread(value)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.model_fields_set >= {"min", "max"} and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Demand(Frozen):
    """How many jobs each consumer holds at once; it runs them one after the other, or as batches."""

    form: ClassVar[str] = "a mapping such as {max: 100, min: 0}"

    max: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    """The most jobs that a consumer holds; a batch cannot be larger than max - min."""
    min: Annotated[Whole, Field(ge=0, le=9_999)] = 0
    """A consumer asks for more when it holds this many or fewer; always below max."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.model_fields_set >= {"min", "max"} and self.min >= self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")
        return self


class BackoffOptions(Frozen):
    """How long a failed job waits before its next attempt."""

    form: ClassVar[str] = "a mapping such as {kind: exponential, base: 1, factor: 2, cap: 3600, jitter: 0.1}"

    kind: Literal["exponential", "linear", "constant"] = "exponential"
    """exponential: base, base x factor, ...; linear: base, 2 x base, ...; constant: always base."""
    base: Duration = 1.0
    """The wait after the first failure."""
    factor: Annotated[Number, Field(ge=1, le=1_000)] = 2.0
    """What each wait is multiplied by to give the next one; for the kind exponential only."""
    cap: Duration = 3600.0
    """No wait is longer than this, jitter aside; without effect on the kind constant."""
    jitter: Annotated[Number, Field(ge=0, le=1)] = 0.1
    """The share of a wait, 0 to 1, by which chance makes it longer or shorter."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.model_fields_set >= {"base", "cap"} and self.kind != "constant" and self.base > self.cap:
            raise ValueError(f"base {self.base:g} is above cap {self.cap:g}")
        return self

    def curve(self) -> Backoff:
        """Return the backoff that these numbers describe."""
        match self.kind:
            case "exponential":
                return exponential(self.base, self.factor, self.cap, jitter=self.jitter)
            case "linear":
                return linear(self.base, self.cap, jitter=self.jitter)
            case "constant":
                return constant(self.base, jitter=self.jitter)


class Forensics(Frozen):
    """What is kept of a failure beside its traceback."""

    form: ClassVar[str] = "a mapping such as {locals: true}"

    locals: Flag = False
    """Keep the local variables of the application's frames, bounded and without secrets."""


class QueueOptions(Frozen):
    """What can be said of a queue."""

    form: ClassVar[str] = "a mapping such as {consumers: 5, timeout: 30}"

    executor: Annotated[Executor, BeforeValidator(_executor)] = "async"
    """async: on the node's event loop (a plain `def` in a thread); thread: each consumer in a thread of its own; process: in a
    process of its own, which a job may take down without costing anything but itself."""
    consumers: Consumers = Consumers()
    """How many jobs (or batches) run at once on each node: a number for a fixed pool, or min and max."""
    demand: Demand = Demand()
    """How many jobs each consumer holds at once."""
    scaling: Scaling = Scaling()
    """How the number of consumers follows the work, between min and max."""
    timeout: Annotated[Duration, Field(gt=0)] = 60.0
    """The time that one run may take."""
    kill_after: Duration = 5.0
    """How long a run that was asked to end (over its timeout, or cancelled) may take to do so before it is given up; a process
    is killed then, with all that it started."""
    max_attempts: Annotated[Whole, Field(ge=1, le=1_000)] = 3
    """How often a job is run before it is dead."""
    backoff: BackoffOptions = BackoffOptions()
    """How long a failed job waits before its next attempt."""
    circuit: CircuitOptions = CircuitOptions()
    """When the queue's kinds of jobs are not run, because they keep failing: each has a circuit of its own, unless one is named."""
    poison_after: Annotated[Whole, Field(ge=1, le=1_000)] = 3
    """A job that took its process or node down this many times is dead, whatever attempts are left."""
    memory: Annotated[Size, AfterValidator(_enough)] = 0
    """The memory that each process may allocate; 0 for no limit. A job that needs more is out of memory."""
    max_jobs: Annotated[Whole, Field(ge=0, le=1_000_000_000)] = 0
    """A process is replaced by a fresh one after this many jobs; 0 for never."""
    max_memory: Size = 0
    """A process that is larger than this after a job is replaced by a fresh one; 0 for never."""
    max_args: JsonSize = 1024**2
    """The largest arguments that a job may have, as JSON."""
    max_result: JsonSize = 1024**2
    """The largest result that is kept, as JSON."""
    max_log: Size = 64 * 1024
    """How much is kept with each attempt of what it logged (in a process: of all that it wrote); the last of it. 0 for nothing."""
    forensics: Forensics = Forensics()
    """What is kept of a failure beside its traceback."""


def _queue_name(name: Any) -> Any:
    if name is not None and not isinstance(name, str):
        raise ValueError(f"expected the name of a queue, got {shown(name)}")
    return name


class Defaults(QueueOptions):
    """What holds for every queue that does not say otherwise."""

    queue: Annotated[str | None, BeforeValidator(_queue_name)] = None
    """The queue of jobs that name none; the first one of the file where this is left out."""


class Retention(Frozen):
    """How long finished jobs and dead letters are kept."""

    form: ClassVar[str] = "a mapping such as {completed: 1d, cancelled: 7d, dead: 30d}"

    completed: Annotated[Duration, Field(gt=0)] = 86_400.0
    """Completed jobs and their results."""
    cancelled: Annotated[Duration, Field(gt=0)] = 7 * 86_400.0
    """Cancelled jobs."""
    dead: Annotated[Duration, Field(gt=0)] = 30 * 86_400.0
    """Dead letters, and groups of errors that were not seen any more."""
    dead_count: Annotated[Whole, Field(ge=1, le=100_000_000)] = 1_000_000
    """Dead letters beyond so many go before their age is up, the oldest first."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """One queue's settings with every default resolved: what its QueueManager receives, and all that it receives."""

    name: str
    executor: Executor
    consumers: Consumers
    demand: Demand
    scaling: Scaling
    timeout: float
    """Seconds, as is the next one."""
    kill_after: float
    max_attempts: int
    backoff: Backoff
    poison_after: int
    memory: int
    """Bytes, as is max_memory; 0 for no limit."""
    max_jobs: int
    max_memory: int
    max_args: int
    """Bytes of JSON."""
    max_result: int
    """Bytes of JSON."""
    max_log: int
    """Characters."""
    forensics: Forensics
    lease: float
    """Seconds; the node's, as are the two below."""
    poll: float
    drain_timeout: float

    @classmethod
    def of(cls, name: str, options: QueueOptions, *, lease: float, poll: float, drain_timeout: float) -> QueueSettings:
        """Return the settings of the queue `name` that `options` describe, what they leave out being built in."""
        return cls(
            name=name,
            executor=options.executor,
            consumers=options.consumers,
            demand=options.demand,
            scaling=options.scaling,
            timeout=options.timeout,
            kill_after=options.kill_after,
            max_attempts=options.max_attempts,
            backoff=options.backoff.curve(),
            poison_after=options.poison_after,
            memory=options.memory,
            max_jobs=options.max_jobs,
            max_memory=options.max_memory,
            max_args=options.max_args,
            max_result=options.max_result,
            max_log=options.max_log,
            forensics=options.forensics,
            lease=lease,
            poll=poll,
            drain_timeout=drain_timeout,
        )
