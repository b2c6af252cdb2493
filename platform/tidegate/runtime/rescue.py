"""What becomes of the jobs of a lost node (protocol L4, L8): every node's tick, and the pure decision behind it.

A job is made ready again, its place kept, no attempt charged. It is poison when it has taken part in `poison_after` losses and is
the only one of the last loss that had been in one before: then it is the single suspect, and one more node must not be given to
it. A node that ended itself because a job blocked its event loop has said which (L7): then that one is the single suspect, and the
loss does not count for the others.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from tidegate.events import DeadLettered, Event, JobEnded, JobsRescued, NodeLost
from tidegate.fingerprint import Application, fingerprint_of_text
from tidegate.jobs import Failure, Reason, State, Word
from tidegate.lifecycle import Ack
from tidegate.plurals import noun
from tidegate.runtime.coroner import Coroner, Findings
from tidegate.store.protocol import Accusation, LostNode, Store, Suspect

__all__ = ["POISON_AFTER", "rescue_lost", "verdicts"]

logger = logging.getLogger("tidegate.rescue")

POISON_AFTER: Final = 3  # for queues that this node's configuration does not know


def verdicts(lost: LostNode, suspects: Sequence[Suspect], poison_after: Mapping[str, int]) -> list[Ack]:
    """Decide what becomes of each job that ran on the lost node."""
    if lost.accusation is not None:
        return [_accused(lost.node, lost.accusation, suspect, poison_after) for suspect in suspects]
    said = f"its node {lost.node} was lost while it held this job"
    repeated = [suspect for suspect in suspects if suspect.repeated]
    lone = repeated[0] if len(repeated) == 1 else None
    return [
        _counted(suspect, _lost(said, suspect), poison_after, lone=suspect is lone or len(suspects) == 1) for suspect in suspects
    ]


async def rescue_lost(
    store: Store,
    *,
    poison_after: Mapping[str, int],
    judge: bool,
    emit: Callable[[Event], None],
    coroner: Coroner | None = None,
) -> int:
    """Rescue the jobs of all dead or vanished nodes; return how many there were.

    Overdue nodes are declared dead first, but only where `judge`: this node's own heartbeats went through for long enough.
    """
    for node in await store.mark_lost() if judge else ():
        logger.warning("node %s is lost: its lease ran out; its jobs are rescued", node)
        emit(NodeLost(node))
    total = 0
    for lost in await store.lost_nodes():
        decided: dict[int, Ack] = {}
        found = None if coroner is None else await coroner.elsewhere(f"node {lost.node} was lost", node=lost.node)
        decide = partial(_decide, decided, lost, poison_after, found)
        while rescued := await store.rescue(lost.node, decide):
            total += len(rescued)
            for queue, jobs in Counter(suspect.queue for suspect, _ in rescued).items():
                logger.warning(
                    "queue %s: %s of the lost node %s", queue, noun(jobs, "job was rescued", "jobs were rescued"), lost.node
                )
                emit(JobsRescued(queue, jobs))
            for suspect, state in rescued:
                _tell(suspect, state, decided[suspect.job_id], emit)
    return total


def _decide(
    decided: dict[int, Ack], lost: LostNode, poison_after: Mapping[str, int], found: Findings | None, suspects: Sequence[Suspect]
) -> Sequence[Ack]:
    """Return the verdicts, those of death with their forensics, and take note of them."""
    for suspect, ack in zip(suspects, verdicts(lost, suspects, poison_after), strict=True):
        dies = ack.state is State.DEAD and found is not None
        decided[suspect.job_id] = replace(ack, forensics=found(suspect.kind)) if dies and found else ack
    return [decided[suspect.job_id] for suspect in suspects]


def _tell(suspect: Suspect, state: State, ack: Ack, emit: Callable[[Event], None]) -> None:
    queue, kind, job_id, attempt = suspect.queue, suspect.kind, suspect.job_id, suspect.attempt
    emit(JobEnded(queue, kind, job_id, attempt, ack.word, state, suspect.age, ack.failure))
    if state is State.DEAD:
        emit(DeadLettered(queue, kind, job_id, Reason.POISON.value, attempt, ack.failure))


def _accused(node: str, accusation: Accusation, suspect: Suspect, poison_after: Mapping[str, int]) -> Ack:
    if suspect.job_id in accusation.jobs:
        failure = _lost(f"it cost its node {node}: {accusation.why}", suspect, accusation.why, accusation.stack)
        return _counted(suspect, failure, poison_after, lone=len(accusation.jobs) == 1)
    failure = _lost(f"its node {node} was lost by no fault of this job: {accusation.why}", suspect, "by no fault of the job")
    return replace(_again(suspect, failure), innocent=True)


def _lost(said: str, suspect: Suspect, why: str = "", stack: str = "") -> Failure:
    """Return the failure of a job whose node was lost; its group is its kind's, whichever node it was."""
    found = fingerprint_of_text("LeaseLost", why, stack, kind=suspect.kind, application=Application())
    return Failure("LeaseLost", said, stack, found.id, found.grounds)


def _counted(suspect: Suspect, failure: Failure, poison_after: Mapping[str, int], *, lone: bool) -> Ack:
    if lone and suspect.crashes + 1 >= poison_after.get(suspect.queue, POISON_AFTER):
        return replace(_again(suspect, failure), state=State.DEAD, reason=Reason.POISON)
    return _again(suspect, failure)


def _again(suspect: Suspect, failure: Failure) -> Ack:
    return Ack(suspect.job_id, suspect.lease, State.READY, Word.LEASE_LOST, charged=False, failure=failure, duration=suspect.age)
