"""What is to be told of an ack that took effect."""

from __future__ import annotations

from tidegate.events import DeadLettered, Event, JobEnded, JobRetried
from tidegate.jobs import Job, State
from tidegate.lifecycle import Ack, applied_word
from tidegate.spans import trace_of

__all__ = ["endings"]


def endings(job: Job[bytes], ack: Ack, state: State) -> list[Event]:
    """Return the events of an attempt whose ack left its job in `state`."""
    trace = None if ack.traceparent is None else trace_of(ack.traceparent)
    word = ack.word if state is ack.state else applied_word(ack, state)
    events: list[Event] = [JobEnded(job.queue, job.kind, job.id, job.attempt, word, state, ack.duration, ack.failure, trace)]
    if state is State.SCHEDULED and ack.failure is not None:
        events.append(JobRetried(job.queue, job.kind, job.id, job.attempt, word, ack.delay, ack.failure, trace))
    elif state is State.DEAD and ack.reason is not None:
        events.append(DeadLettered(job.queue, job.kind, job.id, ack.reason.value, job.attempt, ack.failure, trace))
    return events
