"""`@job`: a function that may run as a job, and still is the function that it was."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypedDict, TypeVar, Unpack, overload

from tidegate.backoff import Backoff
from tidegate.handlers.breaker import Breaker, breaker_of
from tidegate.handlers.call import Call
from tidegate.handlers.context import JobContext
from tidegate.handlers.spec import JobSpec, checked_function, kind_of, names, place_of
from tidegate.jobs import Job
from tidegate.lifecycle import ErrorRule

__all__ = ["JobFunction", "job"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
X = TypeVar("X")
Y = TypeVar("Y")
Z = TypeVar("Z")
V = TypeVar("V")


class JobFunction(Generic[P, R_co]):
    """A function with a @job. Called, it runs here and now; `call(...)` is the same call as something to enqueue."""

    spec: JobSpec

    def __init__(self, function: Callable[P, R_co], spec: JobSpec) -> None:
        functools.update_wrapper(self, function)
        # what inspect asks for before it looks whether a callable is a coroutine function
        self.__code__ = function.__code__
        self.__defaults__ = function.__defaults__
        self.__kwdefaults__ = function.__kwdefaults__
        self.__wrapped__ = function
        self.spec = spec

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function itself, in this process, now."""
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.kind} at {place_of(self.__wrapped__)}>"

    def __reduce__(self) -> str:
        return self.__wrapped__.__qualname__  # pickled by name, as functions are

    @property
    def kind(self) -> str:
        """The name under which its jobs are stored."""
        return self.spec.kind

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return this call as something to enqueue. A batch handler's call takes the fields of one item."""
        return Call(self, args, kwargs)


class _Settings(TypedDict, total=False):
    kind: str | None
    aliases: Sequence[str]
    max_attempts: int | None
    timeout: float | None
    backoff: Backoff | None
    priority: int
    on_error: Mapping[type[BaseException], ErrorRule] | None
    circuit: str | bool | Breaker | None
    redact: Sequence[str]


if TYPE_CHECKING:

    class _ContextFunction(JobFunction[P, R_co]):
        """A job whose first parameter is the JobContext: calls to enqueue leave it out, the function itself takes it."""

        def __call__(self, context: JobContext, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...  # type: ignore[override]

    # with its JobContext behind others: no type checker can say what its other parameters are
    _ContextLater: TypeAlias = (
        Callable[Concatenate[X, JobContext, P], R]
        | Callable[Concatenate[X, Y, JobContext, P], R]
        | Callable[Concatenate[X, Y, Z, JobContext, P], R]
        | Callable[Concatenate[X, Y, Z, V, JobContext, P], R]
    )

    class _Decorator(Protocol):
        @overload
        def __call__(  # type: ignore[overload-overlap]  # for a function with two contexts, which is refused
            self, function: Callable[Concatenate[JobContext, P], R], /
        ) -> _ContextFunction[P, R]: ...
        @overload
        def __call__(self, function: _ContextLater[X, P, R, Y, Z, V], /) -> JobFunction[..., R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> JobFunction[P, R]: ...

    class _BatchDecorator(Protocol):
        @overload
        def __call__(self, function: Callable[[list[Job[X]]], R], /) -> JobFunction[..., R]: ...
        @overload
        def __call__(self, function: Callable[[list[Job[X]], JobContext], R], /) -> JobFunction[..., R]: ...
        @overload
        def __call__(self, function: Callable[[JobContext, list[Job[X]]], R], /) -> JobFunction[..., R]: ...


@overload
def job(function: Callable[Concatenate[JobContext, P], R], /) -> _ContextFunction[P, R]: ...  # type: ignore[overload-overlap]
@overload
def job(function: _ContextLater[X, P, R, Y, Z, V], /) -> JobFunction[..., R]: ...
@overload
def job(function: Callable[P, R], /) -> JobFunction[P, R]: ...
@overload
def job(queue: str | None = None, *, batch: int, **settings: Unpack[_Settings]) -> _BatchDecorator: ...
@overload
def job(queue: str | None = None, *, batch: None = None, **settings: Unpack[_Settings]) -> _Decorator: ...


def job(
    queue: Any = None,
    *,
    kind: str | None = None,
    aliases: Sequence[str] = (),
    max_attempts: int | None = None,
    timeout: float | None = None,
    backoff: Backoff | None = None,
    priority: int = 0,
    batch: int | None = None,
    on_error: Mapping[type[BaseException], ErrorRule] | None = None,
    circuit: str | bool | Breaker | None = None,
    redact: Sequence[str] = (),
) -> Any:
    """Make a function a job: `@job`, or `@job(queue="email", timeout=30)`. What it does not say, its queue decides.

    `circuit` names the circuit breaker of its kind, which all that name it share, or is False for none; a `Breaker` also says which
    exceptions count.

    `redact` names arguments that are secrets: no view, message, log or notification shows them, as none shows a `password`.
    """

    def decorate(function: Callable[..., Any]) -> JobFunction[..., Any]:
        plain = checked_function(function)
        spec = JobSpec(
            kind=kind_of(plain) if kind is None else kind,
            queue=queue,
            aliases=names("aliases", aliases),
            max_attempts=max_attempts,
            timeout=timeout,
            backoff=backoff,
            priority=priority,
            batch=batch,
            on_error=dict(on_error or {}),
            circuit=breaker_of(circuit),
            redact=names("redact", redact),
        )
        return JobFunction(plain, spec)

    if callable(queue):
        function, queue = queue, None
        return decorate(function)
    return decorate
