"""What the doctor knows of queues and what holds them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.introspection.circuit_views import why_gated
from tidegate.introspection.doctor.checks import Facts, Finding
from tidegate.introspection.shapes import QueueView
from tidegate.plurals import noun
from tidegate.settings.scaling import Scaling

__all__ = ["circuits", "lines", "numbers"]

WAITING: Final = 60.0  # seconds that a ready job may wait where nobody has said how long
UNSAID: Final = Scaling().target_latency
"""What a pool of a fixed size has without anybody having thought of it."""


def lines(facts: Facts) -> Iterator[Finding]:
    """Every queue moves, and as fast as it is to."""
    for queue in facts.queues:
        served = any(queue.queue in node.queues for node in facts.nodes)
        if queue.paused and queue.ready:
            yield Finding(
                "paused",
                "warning",
                f"queue {queue.queue} is paused, and {_waiting(queue.ready)}",
                "nothing of it is started",
                f"tidegate queues resume {queue.queue}",
            )
        elif queue.ready and not served and facts.nodes:
            yield Finding(
                "unserved",
                "error",
                f"no live node serves queue {queue.queue}, and {_waiting(queue.ready)}",
                "they wait for ever",
                f"tidegate up --queues {queue.queue}",
            )
        elif (late := _late(facts, queue)) is not None:
            yield Finding(
                "latency",
                "warning",
                f"the oldest job of queue {queue.queue} has waited for {queue.oldest_ready_age:.0f} s{late}",
                "more comes than is done" if not queue.gated else "more comes than is done, or circuits hold its jobs back",
                f"tidegate queues explain {queue.queue}",
            )


def circuits(facts: Facts) -> Iterator[Finding]:
    """No circuit holds jobs back."""
    for view in facts.circuits:
        why = why_gated(view)
        if why is not None:
            yield Finding(
                "circuit",
                "warning",
                why.text,
                f"{_waiting(view.gated_jobs)} for what the circuit guards; no attempt is lost by that",
                f"tidegate circuits show {view.circuit}",
            )


def numbers(facts: Facts) -> Iterator[Finding]:
    """All nodes judge a circuit by the same numbers."""
    for node in facts.nodes:
        for circuit, words in (node.status.get("unlike") or {}).items():
            yield Finding(
                "circuit_numbers",
                "warning",
                f"circuit {circuit} has other numbers on {node.node} than elsewhere: {words}",
                "each node judges by its own, so that the circuit opens and closes by whoever looks next",
                "give all nodes the same queues.yaml, and restart those with the old one; in a rolling deploy it settles by itself",
            )


def _late(facts: Facts, queue: QueueView) -> str | None:
    """Return the words about a queue's target where it is missed, none where it has none and waits for long; None: all is well."""
    settings, age = facts.settings.get(queue.queue), queue.oldest_ready_age or 0.0
    if settings is None or (settings.consumers.min == settings.consumers.max and settings.scaling.target_latency == UNSAID):
        return "" if age > WAITING else None
    target = settings.scaling.target_latency
    return f"; its target is {target:g} s (scaling.target_latency)" if age > target else None


def _waiting(jobs: int) -> str:
    return noun(jobs, "job waits", "jobs wait")
