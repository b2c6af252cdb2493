"""Pipelines: what happens to the jobs of a queue between their claim and the consumer that runs them.

    @pipeline("analytics")
    def steps():
        yield Filter(is_a_person, reason="robots are not counted")
        yield Enrich(country, at_once=20)
        yield BatchBy("customer", size=100, timeout=2)

A step's function gets the claimed job, its `args` decoded: the arguments by name, or of a batch handler the item. A job is held
here no longer than a consumer waits for it; whatever ends the pipeline gives back what it holds, uncharged. Nothing that a step
changes is stored: a job that is tried again goes through all of it again.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from tidegate.errors import ConfigurationError
from tidegate.jobs import Job, Outcome

__all__ = ["BatchBy", "Enrich", "Filter", "PartitionBy", "Pipeline", "Step", "pipeline"]

Said: TypeAlias = Mapping[str, Any] | Outcome | None
Enricher: TypeAlias = Callable[[Job[Any]], Said] | Callable[[Job[Any]], Awaitable[Said]]
Predicate: TypeAlias = Callable[[Job[Any]], object] | Callable[[Job[Any]], Awaitable[object]]
Key: TypeAlias = str | Callable[[Job[Any]], Hashable]


@dataclass(frozen=True, slots=True)
class Enrich:
    """Adds to a job what `function(job)` returns: a mapping, merged into its `meta`, or with `into="args"` into its arguments.

    What waits for something is a coroutine function: up to `at_once` jobs are looked up at a time, each for `timeout` seconds at
    most (None: the queue's). None adds nothing. An exception fails the attempt, as one of the handler would; an outcome (Cancel,
    Snooze, ...), raised or returned, is what becomes of the job.
    """

    function: Enricher
    into: Literal["meta", "args"] = "meta"
    at_once: int = 10
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_function("Enrich", self.function, self.at_once, self.timeout)
        if self.into not in {"meta", "args"}:
            raise ConfigurationError(f"Enrich(into={self.into!r}): a job has 'meta' and 'args'")


@dataclass(frozen=True, slots=True)
class Filter:
    """Runs only the jobs for which `keep(job)` is true; the others are cancelled, with `reason`.

    Coroutine functions, exceptions and outcomes are taken as by Enrich.
    """

    keep: Predicate
    reason: str = "filtered out"
    at_once: int = 10
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_function("Filter", self.keep, self.at_once, self.timeout)


@dataclass(frozen=True, slots=True)
class BatchBy:
    """Gathers jobs of one kind and one `key`, so that a batch handler gets jobs of one key only.

    A batch goes on with its `size`-th job, or `timeout` seconds after its first one. The key is the name of an argument, or a
    function of the job. It is the last step.
    """

    key: Key
    size: int = 100
    timeout: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_key("BatchBy", self.key)
        _check_count("BatchBy(size", self.size)
        if not self.timeout > 0:
            raise ConfigurationError(f"BatchBy(timeout={self.timeout!r}): a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class PartitionBy:
    """Runs jobs of one `key` one after the other on each node, in the order in which they were claimed.

    Up to `ahead` jobs whose key is busy are held meanwhile, so that those of other keys are found behind them. The key is the name
    of an argument, or a function of the job. It is the last step.
    """

    key: Key
    ahead: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_key("PartitionBy", self.key)
        _check_count("PartitionBy(ahead", self.ahead)


Step: TypeAlias = Enrich | Filter | BatchBy | PartitionBy
LAST: Final = (BatchBy, PartitionBy)


class Pipeline:
    """A function with a @pipeline: still that function. `queue` is whose jobs it is for."""

    def __init__(self, queue: str, function: Callable[[], Iterable[Step]]) -> None:
        functools.update_wrapper(self, function)
        self.queue = queue
        self._function = function

    def __call__(self) -> Iterable[Step]:
        """Call the function itself."""
        return self._function()

    def __repr__(self) -> str:
        return f"<pipeline of {self.queue} at {self.place}>"

    @property
    def place(self) -> str:
        """Where the function stands, as file:line."""
        return f"{self._function.__code__.co_filename}:{self._function.__code__.co_firstlineno}"

    def steps(self) -> Sequence[Step]:
        """Return the steps, made anew; ConfigurationError where they cannot follow each other."""
        try:
            made = tuple(self._function())
        except ConfigurationError as error:
            raise ConfigurationError(f"{self!r}: {error}", hint=error.hint) from error
        except Exception as error:
            hint = "it is a function without parameters that yields Enrich, Filter, BatchBy and PartitionBy"
            raise ConfigurationError(f"{self!r} makes no steps: {type(error).__name__}: {error}", hint=hint) from error
        for step in made:
            if not isinstance(step, Enrich | Filter | BatchBy | PartitionBy):
                raise ConfigurationError(
                    f"{self!r}: {step!r} is no step", hint="a pipeline yields Enrich, Filter, BatchBy and PartitionBy"
                )
        for step in made[:-1]:
            if isinstance(step, LAST):
                raise ConfigurationError(f"{self!r}: {type(step).__name__} must be the last step")
        return made


def pipeline(queue: str) -> Callable[[Callable[[], Iterable[Step]]], Pipeline]:
    """Make a function, of a jobs module, the pipeline of `queue`. It is called once for each start of the queue on a node."""
    named: object = queue
    if not isinstance(named, str) or not named:
        raise ConfigurationError('@pipeline names its queue: @pipeline("analytics")')
    return functools.partial(Pipeline, queue)


def _check_function(step: str, function: object, at_once: object, timeout: float | None) -> None:
    if not callable(function):
        raise ConfigurationError(f"{step}({function!r}): a function of the job")
    _check_count(f"{step}(at_once", at_once)
    if timeout is not None and not timeout > 0:
        raise ConfigurationError(f"{step}(timeout={timeout!r}): None or a number of seconds above 0")


def _check_count(option: str, value: object) -> None:
    if not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{option}={value!r}): a number of jobs, one or more")


def _check_key(step: str, key: object) -> None:
    if not key or not (isinstance(key, str) or callable(key)):
        raise ConfigurationError(f"{step}({key!r}): the name of an argument, or a function of the job")
