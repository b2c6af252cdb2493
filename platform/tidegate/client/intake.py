"""From what a caller says to what is stored: the same for the async and the blocking client, and free of I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tidegate.errors import ConfigurationError, InvalidArguments, UnknownQueue, UsageError
from tidegate.handlers import Call, Handlers, JobFunction
from tidegate.jobs import NewJob
from tidegate.settings import Settings
from tidegate.store.bulk import BLOCK, COPY_FROM, JobStream

__all__ = ["Intake", "Subject"]

Subject = JobFunction[..., Any] | Callable[..., Any] | Call | str
"""What can be enqueued: a job function, a call of one, or a kind by its name."""


class Intake:
    """Turns calls into new jobs, checked against the handlers' signatures and the declared queues."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queues = tuple(settings.queue_names)
        self._default_queue = settings.default_queue or ""
        self._limit = settings.defaults.max_args
        self._limits = {queue: settings.queue(queue).max_args for queue in self._queues}
        self._handlers: Handlers | None = None

    @property
    def handlers(self) -> Handlers:
        """The functions of the allowed modules, imported when first asked for by name."""
        if self._handlers is None:
            self._handlers = Handlers(self._settings.jobs, path=self._settings.folder)
        return self._handlers

    def one(self, subject: Subject, args: Sequence[Any], kwargs: dict[str, Any], *, check: bool) -> NewJob:
        """Return the job that `subject(*args, **kwargs)` means. `check` False takes a kind's name on trust."""
        return self._new(_call(subject, args, kwargs), check=check)

    def many(self, calls: Iterable[Call], *, check: bool) -> list[NewJob]:
        """Return the jobs of many calls, in order."""
        return [self._new(call, check=check) for call in calls]

    def stream(self, calls: Iterable[Call], *, check: bool) -> JobStream | None:
        """Return the jobs of many calls, to be made while those before are brought; None for calls that this is not for.

        That is few calls, and an iterator: it runs its caller's own code between them, which is not to hold up a transaction.
        """
        if not isinstance(calls, list | tuple) or len(calls) < COPY_FROM:
            return None
        found = tuple(calls)  # as they are now, whatever becomes of the list
        blocks = (self.many(found[start : start + BLOCK], check=check) for start in range(0, len(found), BLOCK))
        return JobStream(len(found), blocks)

    def _new(self, call: Call, *, check: bool) -> NewJob:
        handler = self.handlers.resolve(call.function) if check and isinstance(call.function, str) else None
        new = call.new_job(handler, default_queue=self._default_queue)
        if not new.queue:
            raise ConfigurationError(
                f"no queue is named for {new.kind}",
                hint='say @job(queue="..."), or declare a queue in queues.yaml and connect from its folder',
            )
        if self._queues and new.queue not in self._queues:
            raise UnknownQueue(new.queue, self._queues, where=new.kind)
        limit = self._limits.get(new.queue, self._limit)
        if len(new.args) > limit:
            raise InvalidArguments(
                new.kind,
                [f"its arguments are {len(new.args)} bytes as JSON; max_args is {limit}"],
                hint="enqueue a reference to large data instead",
            )
        return new


def _call(subject: Subject, args: Sequence[Any], kwargs: dict[str, Any]) -> Call:
    if isinstance(subject, Call):
        if args or kwargs:
            raise UsageError("a call has its arguments already", hint="enqueue(call), or enqueue(function, arguments)")
        return subject
    if isinstance(subject, JobFunction):
        return subject.call(*args, **kwargs)
    return Call(subject, tuple(args), kwargs)
