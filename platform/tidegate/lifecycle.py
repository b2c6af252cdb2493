"""The state machine of a job: the one place that decides what becomes of a run.

`settle` is pure: a job, what came of its run, the policy in force and a source of chance go in; the `Ack` that the table is told
comes out. Nothing else chooses a state, a delay or whether an attempt is charged. Dates are the database's: an Ack carries delays.

    scheduled -> ready       due (promotion)
    ready     -> running     claim: attempt + 1, lease + 1
    running   -> completed   done
    running   -> scheduled   retry, snooze
    running   -> ready       released, its node was lost, or its process with others in it
    running   -> cancelled | dead
    ready, scheduled -> cancelled | dead     from outside; `dead` only as invalid
    dead      -> ready       redrive, as a new job
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal

from tidegate.backoff import Backoff
from tidegate.failure import describe
from tidegate.jobs import (
    Cancel,
    Cancelled,
    Crashed,
    Dead,
    Done,
    Failed,
    Failure,
    Invalid,
    Job,
    Outcome,
    Reason,
    Released,
    Retry,
    Snooze,
    State,
    TimedOut,
    Word,
)
from tidegate.records import record

__all__ = ["TRANSITIONS", "Ack", "ErrorRule", "Policy", "Tell", "applied_word", "completed", "settle"]

Tell = Callable[[BaseException | Failure | str], Failure]
"""Puts an exception, or what is known of one, into the words that are kept."""

ErrorRule = Backoff | Outcome | type[Outcome]
"""What an exception type means: a backoff of its own, or the outcome that it stands for."""

TRANSITIONS: Final = frozenset(
    {
        (State.SCHEDULED, State.READY),
        (State.READY, State.RUNNING),
        (State.RUNNING, State.COMPLETED),
        (State.RUNNING, State.SCHEDULED),
        (State.RUNNING, State.READY),
        (State.RUNNING, State.CANCELLED),
        (State.RUNNING, State.DEAD),
        (State.READY, State.CANCELLED),
        (State.SCHEDULED, State.CANCELLED),
        (State.READY, State.DEAD),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a kind's failures are answered, with every default resolved."""

    max_attempts: int
    backoff: Backoff
    on_error: Mapping[type[BaseException], ErrorRule] = field(default_factory=dict)
    poison_after: int = 3
    """A job that crashed its process this many times is dead, whatever attempts are left."""


@record(frozen=True, slots=True)
class Ack:
    """What the table is told of one job held under a lease."""

    job_id: int
    lease: int
    state: State
    word: Word
    delay: float = 0.0
    """Seconds until it is due again; only for `scheduled`."""
    charged: bool = True
    failure: Failure | None = None
    reason: Reason | None = None
    """Why it is dead; only for `dead`."""
    result: bytes | None = None
    """The result as JSON; only for `completed`."""
    duration: float | None = None
    """Seconds that the handler ran; None when it was not started."""
    ended: float = 0.0
    """When the run ended, on the loop's clock, so that an ack that waited still tells its age."""
    innocent: bool = False
    """Its node was lost by another job's fault: it does not count as crashed; only for the word `lease_lost`."""
    traceparent: str | None = None
    """The run's span, where it is in a trace that is recorded."""
    meta: Mapping[str, Any] | None = None
    """What the job's meta becomes; None: as it was. Only for a job that is kept, or dead."""
    output: str | None = None
    forensics: Mapping[str, Any] | None = None
    health: Literal["ok", "fail", "ignore"] = "ignore"
    """What the run says of its kind's circuit."""
    retry_after: float | None = None
    """Seconds for which the dependency wants to be left alone."""


def applied_word(ack: Ack, state: State) -> Word:
    """Return the word of an ack that was applied as `state`: what was to be tried again may have been cancelled meanwhile."""
    turned = state is State.CANCELLED and ack.state is not state and ack.word not in (Word.CRASHED, Word.LEASE_LOST)
    return Word.CANCELLED if turned else ack.word


def completed(
    job: Job[Any],
    *,
    result: bytes | None = None,
    duration: float | None = None,
    ended: float = 0.0,
    output: str | None = None,
    health: Literal["ok", "fail", "ignore"] = "ignore",
) -> Ack:
    """Return what the table is told of a job that is done: whole, since most jobs are, and a copy costs as much as an Ack."""
    return Ack(
        job.id, job.lease, State.COMPLETED, Word.DONE,
        result=result, duration=duration, ended=ended, output=output, health=health,
    )  # fmt: skip


def settle(job: Job[Any], outcome: Outcome, policy: Policy, rng: Random, tell: Tell = describe) -> Ack:
    """Decide what becomes of `job` after `outcome`; `tell` puts into words what went wrong."""
    match outcome:
        case Done():
            return completed(job)
        case Released(why=why):
            return Ack(job.id, job.lease, State.READY, Word.RELEASED, charged=False, failure=Failure("Released", why))
        case Snooze(delay=delay):
            return Ack(job.id, job.lease, State.SCHEDULED, Word.SNOOZED, delay=max(delay, 0.0), charged=False)
        case Cancel(reason=reason):
            return Ack(job.id, job.lease, State.CANCELLED, Word.CANCELLED, failure=Failure("Cancel", reason))
        case Cancelled():
            failure = Failure("Cancelled", "cancelled from outside while it ran")
            return Ack(job.id, job.lease, State.CANCELLED, Word.CANCELLED, failure=failure)
        case Dead(reason=reason):
            failure = tell(_cause(outcome) or Failure("Dead", reason))
            return _dead(job, Word.DISCARDED, failure, Reason.DISCARDED)
        case Invalid(error=error):
            return _dead(job, Word.INVALID, tell(error), Reason.INVALID)
        case Retry(delay=delay, reason=reason):
            failure = tell(_cause(outcome) or Failure("Retry", reason))
            return _again(job, Word.RETRIED, failure, policy, rng, policy.backoff, delay)
        case TimedOut(after=after, stack=stack):
            failure = tell(Failure("TimedOut", f"ran longer than its time-out of {after:g} s", stack))
            return _again(job, Word.TIMED_OUT, failure, policy, rng, policy.backoff)
        case Crashed(failure=failure, alone=False):  # one of several: each is tried again alone, which tells them apart
            return Ack(job.id, job.lease, State.READY, Word.CRASHED, charged=False, failure=tell(failure))
        case Crashed(failure=failure) if job.crashes + 1 >= policy.poison_after:
            return _dead(job, Word.CRASHED, tell(failure), Reason.POISON)
        case Crashed(failure=failure):
            return _again(job, Word.CRASHED, tell(failure), policy, rng, policy.backoff)
        case Failed(error=error):
            return _failed(job, error, policy, rng, tell)
        case _:
            msg = f"settle does not know the outcome {outcome!r}"
            raise TypeError(msg)


def _failed(job: Job[Any], error: BaseException | Failure | str, policy: Policy, rng: Random, tell: Tell) -> Ack:
    match _rule(error, policy.on_error):
        case None:
            return _again(job, Word.FAILED, tell(error), policy, rng, policy.backoff)
        case Backoff() as backoff:
            return _again(job, Word.FAILED, tell(error), policy, rng, backoff)
        case type() as cls:
            return settle(job, _because(cls(), error), policy, rng, tell)
        case rule:
            return settle(job, _because(rule, error), policy, rng, tell)


def _again(
    job: Job[Any],
    word: Word,
    failure: Failure,
    policy: Policy,
    rng: Random,
    backoff: Backoff,
    delay: float | None = None,
) -> Ack:
    if job.attempt >= (job.max_attempts or policy.max_attempts):
        return _dead(job, word, failure, Reason.ATTEMPTS_EXHAUSTED)
    wait = backoff.delay(job.attempt, rng) if delay is None else max(delay, 0.0)
    return Ack(job.id, job.lease, State.SCHEDULED, word, delay=wait, failure=failure)


def _dead(job: Job[Any], word: Word, failure: Failure, reason: Reason) -> Ack:
    return Ack(job.id, job.lease, State.DEAD, word, failure=failure, reason=reason)


def _rule(error: BaseException | Failure | str, rules: Mapping[type[BaseException], ErrorRule]) -> ErrorRule | None:
    """Return the rule of the nearest class: a rule for a subclass beats one for its base."""
    if not isinstance(error, BaseException):
        return None
    return next((rules[cls] for cls in type(error).__mro__ if cls in rules), None)


def _because(outcome: Outcome, error: BaseException | Failure | str) -> Outcome:
    """Return a copy of a rule's outcome that remembers the exception it stands for (a rule is shared, so never marked itself)."""
    if isinstance(outcome, BaseException) and isinstance(error, BaseException):
        outcome = type(outcome)(*(getattr(outcome, name) for name in outcome.__match_args__))
        outcome.__cause__ = error
    return outcome


def _cause(outcome: Outcome) -> BaseException | None:
    """Return the exception that a raised outcome was raised from."""
    cause: BaseException | None = getattr(outcome, "__cause__", None)
    return cause
