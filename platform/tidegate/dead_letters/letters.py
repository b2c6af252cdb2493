"""What is told of dead letters: frozen facts, each with `as_json` in the promised shape, without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tidegate.introspection import AttemptView, iso
from tidegate.introspection.stored import call_parts, readable
from tidegate.redaction import Redactor

__all__ = ["FORENSICS", "Group", "Letter", "LetterDetail", "Statistics", "forensics_of", "redactor_for"]

FORENSICS: Final[Mapping[str, Any]] = {
    "system": None,
    "process": None,
    "queue_depths": None,
    "pools": None,
    "circuit": None,
    "recent_errors": [],
    "node": None,
    "versions": None,
    "trace_id": None,
}
"""What a death without forensics tells."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as lists show it."""

    id: int
    job_id: int
    queue: str
    kind: str
    died_at: datetime
    reason: str
    error_type: str | None
    error_message: str | None
    fingerprint: str
    attempts: int

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape."""
        return {
            "id": self.id,
            "job_id": self.job_id,
            "queue": self.queue,
            "kind": self.kind,
            "died_at": iso(self.died_at),
            "reason": self.reason,
            "error": {"type": self.error_type or "", "message": self.error_message or ""},
            "fingerprint": self.fingerprint,
            "attempts": self.attempts,
        }


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """Everything about one dead letter."""

    letter: Letter
    args: list[Any] | None
    """None, as `kwargs` is, where what is stored is not the form that Tidegate stores; `stored` has it then."""
    kwargs: dict[str, Any] | None
    stored: Any
    meta: Any
    priority: int
    max_attempts: int | None
    lease: int
    crashes: int
    enqueued_at: datetime
    run_at: datetime
    unique_key: str | None
    attempts: tuple[AttemptView, ...]
    forensics: Mapping[str, Any]
    retried_as: int | None
    died_again_as: int | None
    """The letter that its retry became, where that died, too."""
    retry_of: int | None
    """The letter whose retry this job was."""
    discarded_at: datetime | None
    redacted: bool
    """It came from elsewhere without its secrets."""
    origin: str | None
    alike: int
    """Open letters of its group, this one included."""

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape and some more."""
        unread = {} if self.args is not None else {"stored": self.stored}
        return {
            **self.letter.as_json(),
            "args": self.args,
            "kwargs": self.kwargs,
            **unread,
            "meta": self.meta,
            "priority": self.priority,
            "max_attempts": self.max_attempts,
            "lease": self.lease,
            "crashes": self.crashes,
            "enqueued_at": iso(self.enqueued_at),
            "run_at": iso(self.run_at),
            "unique_key": self.unique_key,
            "attempts": [attempt.as_json() for attempt in self.attempts],
            "forensics": dict(self.forensics),
            "retried_as": self.retried_as,
            "died_again_as": self.died_again_as,
            "retry_of": self.retry_of,
            "discarded_at": iso(self.discarded_at),
            "redacted": self.redacted,
            "origin": self.origin,
            "alike": self.alike,
        }

    @classmethod
    def of(cls, row: Mapping[str, Any], known: Redactor) -> LetterDetail:
        """Return the letter of a row of letter.sql; `known` is what the handler here says of its kind's secrets."""
        forensics = forensics_of(row["forensics"])
        redactor = redactor_for(forensics, known)
        args, kwargs = call_parts(row["args"])
        stored = redactor.value(readable(row["args"])) if args is None else None
        if args is not None and kwargs is not None:
            args, kwargs = redactor.call(args, kwargs)
        attempts = tuple(AttemptView.of(each) for each in json.loads(row["attempts"]))
        return cls(
            letter=letter_of({**row, "attempts": row["attempt"]}),
            args=args,
            kwargs=kwargs,
            stored=stored,
            meta=None if row["meta"] is None else redactor.value(readable(row["meta"])),
            attempts=attempts,
            forensics=forensics,
            **{name: row[name] for name in _SAME},
        )


_SAME: Final = (
    "priority", "max_attempts", "lease", "crashes", "enqueued_at", "run_at", "unique_key", "retried_as", "died_again_as",
    "retry_of", "discarded_at", "redacted", "origin", "alike",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Open dead letters that look alike."""

    fingerprint: str
    count: int
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    error_type: str | None
    error_message: str | None
    first_seen: datetime
    last_seen: datetime
    sample_ids: tuple[int, ...]
    status: str | None = None
    """What was said of its errors: open, resolved or muted."""

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape."""
        return {
            "fingerprint": self.fingerprint,
            "count": self.count,
            "kinds": list(self.kinds),
            "queues": list(self.queues),
            "error": {"type": self.error_type or "", "message": self.error_message or ""},
            "first_seen": iso(self.first_seen),
            "last_seen": iso(self.last_seen),
            "sample_ids": list(self.sample_ids),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many open dead letters there are, by what."""

    total: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    by_queue: Mapping[str, int] = field(default_factory=dict)
    by_kind: Mapping[str, int] = field(default_factory=dict)
    by_group: Mapping[str, int] = field(default_factory=dict)
    by_hour: Mapping[datetime, int] = field(default_factory=dict)
    """In the order of time; hours without deaths are left out."""
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Statistics:
        """Return the statistics of rows of letters_stats.sql, each of which says one thing."""
        by: dict[str, dict[Any, int]] = {name: {} for name in ("fingerprint", "kind", "queue", "reason", "hour")}
        first, last = [], []
        for row in rows:
            name = next(name for name in by if row[name] is not None)
            by[name][row[name]] = row["count"]
            first.append(row["first_seen"])
            last.append(row["last_seen"])
        return cls(
            total=sum(by["reason"].values()),
            by_reason=_largest_first(by["reason"]),
            by_queue=_largest_first(by["queue"]),
            by_kind=_largest_first(by["kind"]),
            by_group=_largest_first(by["fingerprint"]),
            by_hour=dict(sorted(by["hour"].items())),
            first_seen=min(first, default=None),
            last_seen=max(last, default=None),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "total": self.total,
            "by_reason": dict(self.by_reason),
            "by_queue": dict(self.by_queue),
            "by_kind": dict(self.by_kind),
            "by_group": dict(self.by_group),
            "by_hour": [{"hour": iso(hour), "count": number} for hour, number in self.by_hour.items()],
            "first_seen": iso(self.first_seen),
            "last_seen": iso(self.last_seen),
        }


def letter_of(row: Mapping[str, Any]) -> Letter:
    """Return the letter of a row."""
    return Letter(**{name: row[name] for name in Letter.__dataclass_fields__})


def forensics_of(text: str | None) -> Mapping[str, Any]:
    """Return stored forensics in the promised shape, whoever wrote them."""
    told = readable(text)
    if not isinstance(told, dict):
        why = "the death came without any" if text is None else "what is stored does not read"
        return {**FORENSICS, "unavailable": {"forensics": why}}
    return {**FORENSICS, **told}


def redactor_for(forensics: Mapping[str, Any], known: Redactor) -> Redactor:
    """Return what is secret about a letter: what its node knew when it died, and what the handler here says."""
    told = forensics.get("arguments")
    told = told if isinstance(told, Mapping) else {}
    return Redactor(known.names | frozenset(_texts(told.get("redact"))), known.positional or tuple(_texts(told.get("positional"))))


def _texts(value: Any) -> Sequence[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
