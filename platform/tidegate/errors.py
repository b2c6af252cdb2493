"""Every error that Tidegate raises on purpose.

An error states facts and the way out: `str(error)` is the sentence, `error.hint` what to do about it, `exit_code` what the
command line ends with, and the facts themselves stay on the instance as attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = [
    "CircuitsUnreadable",
    "ConfigurationError",
    "DatabaseError",
    "DatabaseUnreachable",
    "InvalidArguments",
    "InvalidJob",
    "LeaseLost",
    "MigrationNeeded",
    "NotFound",
    "Refused",
    "TidegateError",
    "Unhealthy",
    "UnknownKind",
    "UnknownQueue",
    "UsageError",
    "nearest",
]


def nearest(word: str, known: Iterable[str], *, count: int = 1) -> list[str]:
    """Return the members of `known` that look most like `word`, best first; none when nothing is close."""
    return get_close_matches(word, list(known), n=count, cutoff=0.6)


class TidegateError(Exception):
    """The base of all errors that Tidegate raises on purpose."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(TidegateError):
    """The caller asked for something that cannot be said that way."""

    exit_code = 2


class ConfigurationError(TidegateError):
    """queues.yaml, the environment or a jobs module says something that cannot hold."""

    exit_code = 2


class NotFound(TidegateError):
    """What was named does not exist."""

    exit_code = 3


class Refused(TidegateError):
    """The request was understood, and the present state forbids it."""

    exit_code = 4


class Unhealthy(TidegateError):
    """Something that should run does not."""

    exit_code = 5


class DatabaseError(TidegateError):
    """The database answered, and the answer was no."""


class DatabaseUnreachable(DatabaseError):
    """No answer from the database."""

    exit_code = 6


class CircuitsUnreadable(DatabaseUnreachable):
    """The table of circuits cannot be read, whatever else of the database can; jobs go on by what was known of it last."""


class MigrationNeeded(TidegateError):
    """The database's schema is not the one that this version of Tidegate works with."""

    exit_code = 7


class UnknownQueue(ConfigurationError):
    """A queue was named that queues.yaml does not declare."""

    def __init__(self, queue: str, known: Sequence[str], *, where: str = "") -> None:
        close = nearest(queue, known)
        did_you_mean = f"; did you mean {close[0]!r}?" if close else ""
        prefix = f"{where}: " if where else ""
        super().__init__(
            f"{prefix}no queue named {queue!r}{did_you_mean}",
            hint=f"declared queues: {', '.join(known) or 'none'}",
        )
        self.queue = queue
        self.known = tuple(known)


class UnknownKind(TidegateError):
    """A job kind was named that no allowed module defines."""

    exit_code = 2

    def __init__(self, kind: str, known: Sequence[str], *, hint: str | None = None) -> None:
        close = nearest(kind, known)
        did_you_mean = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(
            f"no handler for job kind {kind!r}{did_you_mean}",
            hint=hint or f"registered kinds: {', '.join(known) or 'none'}",
        )
        self.kind = kind
        self.known = tuple(known)


class InvalidArguments(TidegateError):
    """A call does not fit its handler's signature; the message names the parameter."""

    exit_code = 2

    def __init__(self, kind: str, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(f"{kind}: {'; '.join(problems)}", hint=hint)
        self.kind = kind
        self.problems = tuple(problems)


class InvalidJob(TidegateError):
    """A stored job cannot be run: its arguments do not decode, or its kind left the code."""


class LeaseLost(TidegateError):
    """The job is no longer held under the lease that it was claimed with; its result was refused."""

    def __init__(self, job_id: int, lease: int) -> None:
        super().__init__(f"job {job_id} is no longer held under lease {lease}; its result was refused")
        self.job_id = job_id
        self.lease = lease
