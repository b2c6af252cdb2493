"""What crosses the pipe between a node and a consumer's process: JSON, never anything that could run.

To the process: its order once, then one message for each call, with the job or the whole batch. Back: one message with what came of
it, job by job, as the acks that `settle` decided there; exceptions stay where they were raised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from tidegate.backoff import Backoff
from tidegate.circuit import Result
from tidegate.events import Enqueued
from tidegate.jobs import DamagedMeta, Failure, Job, Reason, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.runner import Report

__all__ = [
    "BARE",
    "CANCEL",
    "CANCELLED",
    "LOST_CHANNEL",
    "Answer",
    "Equipment",
    "Order",
    "read_answer",
    "read_jobs",
    "write_answer",
    "write_jobs",
]

CANCEL: Final = b"cancel"
"""To the process: the call under way is to end."""
CANCELLED: Final = b"cancelled"
"""From the process: it ended of that, and there is nothing else to say of it."""

LOST_CHANNEL: Final = 76
"""The exit code of a process whose handler closed the channel (EX_PROTOCOL)."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a program that owns its process has in those of its consumers, too; a library has nothing."""

    prepare: str = ""
    """A function, written "package.module:name", to be called there before anything else."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments, by name."""
    echo: bool = False
    """Whether what they write is also written to the streams of the node, as it comes."""


BARE: Final = Equipment()


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is told when it starts: which jobs it may run, by which rules, for which node."""

    queue: str
    node: str
    database: str = field(repr=False)  # with its password
    modules: Sequence[str]
    folder: str
    timeout: float
    kill_after: float
    max_attempts: int
    backoff: Backoff
    poison_after: int
    max_result: int
    memory: int
    """Bytes that the process may use; 0: as many as there are."""
    with_locals: bool
    """Whether the local variables of what failed are kept."""
    seed: int
    traced: bool = False
    """Whether its node records spans, so that those of its handlers are to be exported from there."""
    equipment: Equipment = BARE
    max_log: int = 0
    """Nothing is kept there of what is logged: it is in what the process writes, which its node keeps."""
    exceptions: Mapping[str, Any] = field(default_factory=dict)
    """Which exceptions count against the circuits of kinds, as `Judge.written` has it."""
    versions: Mapping[str, str | None] = field(default_factory=dict)
    """Which versions run here, for the forensics of a death."""

    @property
    def executor(self) -> str:
        """What the forensics of a death call the settings' executor."""
        return "process"

    def as_json(self) -> dict[str, Any]:
        """Return the order as JSON-native values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Order:
        """Return the order that `as_json` wrote."""
        return cls(**{**values, "backoff": Backoff(**values["backoff"]), "equipment": Equipment(**values["equipment"])})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process says of a call."""

    reports: list[Report]
    enqueued: list[Enqueued]
    last_word: bool
    """The handler was told to end, by SIGTERM, and said an outcome: that counts, however late it is."""


def write_jobs(jobs: Sequence[Job[bytes]], carrier: Mapping[str, str]) -> bytes:
    """Return the message that has these jobs run in one call; `carrier` is the trace that the call belongs to."""
    return json.dumps([[_row(job) for job in jobs], carrier], ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def read_jobs(message: bytes) -> tuple[list[Job[bytes]], dict[str, str]]:
    """Return the jobs and the trace of a message."""
    rows, carrier = json.loads(message.decode("utf-8", "surrogatepass"))
    return [_job(*row) for row in rows], carrier


def write_answer(reports: Sequence[Report], enqueued: Sequence[Enqueued], *, last_word: bool) -> bytes:
    """Return the message that tells what came of a call, and what its handler enqueued; see `Answer`."""
    events = [[event.queue, event.kind] for event in enqueued]
    rare = [True] if last_word else []
    return json.dumps([[_told(report) for report in reports], events, *rare], separators=(",", ":")).encode()


def read_answer(message: bytes, jobs: Sequence[Job[bytes]], *, ended: float) -> Answer:
    """Return what came of each of `jobs`; `ended` is when, on this side's clock."""
    rows, events, *last_word = json.loads(message)
    reports = [_report(job, ended, *row) for job, row in zip(jobs, rows, strict=True)]
    return Answer(reports, [Enqueued(queue, kind) for queue, kind in events], bool(last_word))


def _row(job: Job[bytes]) -> list[Any]:
    return [
        job.id, job.queue, job.kind, job.args.decode(), job.attempt, job.max_attempts, job.priority, job.lease, job.seq,
        job.enqueued_at.isoformat(), job.run_at.isoformat(), job.waited, job.crashes,
        None if isinstance(job.meta, DamagedMeta) else dict(job.meta),
    ]  # fmt: skip


def _job(
    job_id: int, queue: str, kind: str, args: str, attempt: int, max_attempts: int | None, priority: int, lease: int, seq: int,
    enqueued_at: str, run_at: str, waited: float, crashes: int, meta: dict[str, Any] | None,
) -> Job[bytes]:  # fmt: skip
    return Job(
        job_id, queue, kind, args.encode(), attempt, max_attempts, priority, lease, seq,
        datetime.fromisoformat(enqueued_at), datetime.fromisoformat(run_at), waited, crashes,
        DamagedMeta() if meta is None else meta,
    )  # fmt: skip


def _told(report: Report) -> list[Any]:
    ack = report.ack
    if (
        ack.word is Word.DONE
        and ack.health == "ok"
        and ack.result is None
        and report.settled is None
        and not (report.lost or report.unsure)
    ):
        return [ack.duration]  # the usual case, short
    failure = ack.failure and _words(ack.failure)
    result = None if ack.result is None else ack.result.decode()
    flags = [report.settled, report.lost, report.unsure, ack.health, ack.retry_after]
    return [ack.duration, ack.state, ack.word, ack.delay, ack.charged, failure, ack.reason, result, *flags]


def _words(failure: Failure) -> list[Any]:
    """Return the fields of a failure, in order."""
    return [
        failure.type, failure.message, failure.traceback, failure.fingerprint, failure.grounds, failure.coarse, failure.locals,
    ]  # fmt: skip


def _report(
    job: Job[bytes], ended: float, duration: float | None, state: str = "completed", word: str = "done", delay: float = 0.0,
    charged: bool = True, failure: Sequence[Any] | None = None, reason: str | None = None, result: str | None = None,
    settled: str | None = None, lost: bool = False, unsure: bool = False, health: Result = "ok", retry_after: float | None = None,
) -> Report:  # fmt: skip
    ack = Ack(
        job.id, job.lease, State(state), Word(word), delay, charged,
        None if failure is None else Failure(*failure),
        None if reason is None else Reason(reason),
        None if result is None else result.encode(),
        duration, ended, health=health, retry_after=retry_after,
    )  # fmt: skip
    return Report(job, ack, None if settled is None else State(settled), lost, unsure)
