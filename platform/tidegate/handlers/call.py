"""A call that is to become a job: a function or the name of one, its arguments, and what its caller says about the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final

from tidegate.errors import UsageError
from tidegate.handlers.codec import ANY, Mismatch
from tidegate.handlers.handler import Handler, handler_of
from tidegate.handlers.signature import Signature
from tidegate.handlers.spec import ATTEMPTS, PRIORITIES, JobSpec, is_int, is_name, is_number
from tidegate.jobs import NewJob

__all__ = ["NOTHING_SAID", "Call", "CallOptions"]

CALENDAR: Final = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))  # in any time zone, and a CHECK of the table
LONGEST_DELAY: Final = 100 * 365.25 * 86_400  # seconds; a century is a slip of units, and far beyond it dates end


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What the enqueuer says about one job. None means: not said."""

    delay: float | None = None
    run_at: datetime | None = None
    priority: int | None = None
    queue: str | None = None
    max_attempts: int | None = None
    meta: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.delay is not None and not (is_number(self.delay) and 0 <= self.delay < math.inf):
            raise UsageError(f"delay is a number of seconds, 0 or more, got {self.delay!r}")
        if self.delay is not None and self.delay > LONGEST_DELAY:
            raise UsageError(f"delay is in seconds, and {self.delay!r} of them are more than a hundred years")
        if self.run_at is not None and not isinstance(self.run_at, datetime):
            raise UsageError(f"run_at is a datetime, got {self.run_at!r}", hint="for seconds from now, say delay=")
        if self.run_at is not None and self.run_at.utcoffset() is None:
            raise UsageError(f"run_at has no time zone: {self.run_at.isoformat()}", hint="say which: datetime(..., tzinfo=UTC)")
        if self.run_at is not None and not CALENDAR[0] <= self.run_at <= CALENDAR[1]:
            raise UsageError(f"run_at lies between the years 1 and 9999, got {self.run_at.isoformat()}")
        if self.delay is not None and self.run_at is not None:
            raise UsageError("delay and run_at are both given, and a job is due once", hint="say one of them")
        if self.priority is not None and not (is_int(self.priority) and self.priority in PRIORITIES):
            raise UsageError(f"priority is a whole number from -100 (first) to 100 (last), got {self.priority!r}")
        if self.queue is not None and not is_name(self.queue):
            raise UsageError(f"queue is the name of a queue, got {self.queue!r}")
        if self.max_attempts is not None and not (is_int(self.max_attempts) and self.max_attempts in ATTEMPTS):
            raise UsageError(f"max_attempts is a whole number from 1 to 32767, got {self.max_attempts!r}")
        if self.meta is not None:
            _check_meta(self.meta)


NOTHING_SAID: Final = CallOptions()
"""What most calls say; by its identity many of them are told at once."""


@dataclass(frozen=True, slots=True, init=False)
class Call:
    """A function (or a kind's name) with its arguments. They are checked against the signature when it becomes a job."""

    function: Callable[..., Any] | str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    said: CallOptions = NOTHING_SAID

    def __init__(
        self,
        function: Callable[..., Any] | str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        said: CallOptions = NOTHING_SAID,
    ) -> None:
        """Set the fields by their slots: as frozen as any, in two thirds of the time, for one is made for every job."""
        _set_function(self, function)
        _set_args(self, args)
        _set_kwargs(self, {} if kwargs is None else kwargs)
        _set_said(self, said)

    def options(
        self,
        *,
        delay: float | None = None,
        run_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        max_attempts: int | None = None,
        meta: Mapping[str, Any] | None = None,
        unique: str | None = None,
    ) -> Call:
        """Return this call with more said about it; None leaves what was said before."""
        if unique is not None:
            raise UsageError(
                "unique= is not there yet: this version of Tidegate cannot keep a job unique", hint="leave unique= out"
            )
        before = self.said
        said = CallOptions(
            delay=before.delay if delay is None else delay,
            run_at=before.run_at if run_at is None else run_at,
            priority=before.priority if priority is None else priority,
            queue=before.queue if queue is None else queue,
            max_attempts=before.max_attempts if max_attempts is None else max_attempts,
            meta=before.meta if meta is None else meta,
        )
        return replace(self, said=said)

    def target(self, handler: Handler | None) -> tuple[JobSpec, Signature]:
        """Return what this is a call of. Without a handler, a function is its own; the name of one is taken on trust."""
        if handler is None and not isinstance(self.function, str):
            handler = handler_of(self.function)
        if handler is None:
            kind = str(self.function)
            return JobSpec(kind), Signature.unchecked(kind)
        return handler.spec, handler.signature

    def new_job(self, handler: Handler | None, *, default_queue: str) -> NewJob:
        """Return the row of this call."""
        spec, signature = self.target(handler)
        said = self.said
        return NewJob(
            kind=spec.kind,
            queue=said.queue or spec.queue or default_queue,
            args=signature.encode(self.args, self.kwargs),
            priority=spec.priority if said.priority is None else said.priority,
            delay=said.delay or 0.0,
            run_at=said.run_at,
            max_attempts=said.max_attempts,
            meta=said.meta or None,
        )


_set_function, _set_args, _set_kwargs, _set_said = (vars(Call)[each.name].__set__ for each in fields(Call))


def _check_meta(meta: Any) -> None:
    if not isinstance(meta, Mapping):
        raise UsageError(f"meta is a mapping of JSON values, got {type(meta).__name__}")
    try:
        ANY.encode(dict(meta))
    except Mismatch as mismatch:
        raise UsageError(mismatch.sentence("meta")) from None
    except RecursionError:
        raise UsageError("meta is nested too deeply, or holds itself") from None
