"""From what a caller says to what is stored: the same for the async and the blocking client, and free of I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.errors import ConfigurationError, InvalidArguments, UnknownQueue, UsageError
from tidegate.handlers import NOTHING_SAID, Call, Handler, Handlers, JobFunction
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
        self._most = settings.defaults.max_args
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
        call = _call(subject, args, kwargs)
        return self._new(call, self._handler(call, check=check))

    def many(self, calls: Iterable[Call], *, check: bool) -> list[NewJob]:
        """Return the jobs of many calls, in order. Those that differ in their arguments alone are looked at whole but once."""
        alike: dict[object, _Alike] = {}
        jobs: list[NewJob] = []
        for call in calls:
            function, plain = call.function, call.said is NOTHING_SAID
            known = alike.get(function) if plain else None
            if known is None:
                handler = self._handler(call, check=check)
                job = self._new(call, handler)
                if plain:
                    alike[function] = _Alike(call.target(handler)[1].encode, job, self._limit(job))
            else:
                encode, first, limit = known
                args = encode(call.args, call.kwargs)
                if len(args) > limit:
                    raise _too_large(first.kind, args, limit)
                job = NewJob(first.kind, first.queue, args, first.priority)
            jobs.append(job)
        return jobs

    def stream(self, calls: Iterable[Call], *, check: bool, keep: bool) -> JobStream | None:
        """Return the jobs of many calls, to be made while those before are brought; None for calls that this is not for.

        That is few calls, and an iterator: it runs its caller's own code between them, which is not to hold up a transaction.
        """
        if not isinstance(calls, list | tuple) or len(calls) < COPY_FROM:
            return None
        found = tuple(calls)  # as they are now, whatever becomes of the list
        blocks = (self.many(found[start : start + BLOCK], check=check) for start in range(0, len(found), BLOCK))
        return JobStream(len(found), blocks, keep=keep)

    def _handler(self, call: Call, *, check: bool) -> Handler | None:
        return self.handlers.resolve(call.function) if check and isinstance(call.function, str) else None

    def _new(self, call: Call, handler: Handler | None) -> NewJob:
        new = call.new_job(handler, default_queue=self._default_queue)
        if not new.queue:
            raise ConfigurationError(
                f"no queue is named for {new.kind}",
                hint='say @job(queue="..."), or declare a queue in queues.yaml and connect from its folder',
            )
        if self._queues and new.queue not in self._queues:
            raise UnknownQueue(new.queue, self._queues, where=new.kind)
        if len(new.args) > self._limit(new):
            raise _too_large(new.kind, new.args, self._limit(new))
        return new

    def _limit(self, job: NewJob) -> int:
        return self._limits.get(job.queue, self._most)


class _Alike(NamedTuple):
    """What calls of one function have in common: how their arguments are written, and what the first became."""

    encode: Callable[[Sequence[Any], Mapping[str, Any]], bytes]
    first: NewJob
    limit: int


def _too_large(kind: str, args: bytes, limit: int) -> InvalidArguments:
    problem = f"its arguments are {len(args)} bytes as JSON; max_args is {limit}"
    return InvalidArguments(kind, [problem], hint="enqueue a reference to large data instead")


def _call(subject: Subject, args: Sequence[Any], kwargs: dict[str, Any]) -> Call:
    if isinstance(subject, Call):
        if args or kwargs:
            raise UsageError("a call has its arguments already", hint="enqueue(call), or enqueue(function, arguments)")
        return subject
    if isinstance(subject, JobFunction):
        return subject.call(*args, **kwargs)
    return Call(subject, tuple(args), kwargs)
