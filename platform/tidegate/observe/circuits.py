"""What a node's metrics tell of circuits: outcomes and transitions as they are heard, states out of what the node knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tidegate.circuit import CircuitPlan
from tidegate.events import CircuitChanged, CircuitOutcomes
from tidegate.observe import catalogue, circuit_catalogue
from tidegate.observe.families import Family, Labels, counter, gauge
from tidegate.observe.labels import KINDS, Kinds
from tidegate.observe.tallies import Counts

if TYPE_CHECKING:
    from tidegate.runtime.known_circuits import KnownCircuits
    from tidegate.store.gated import Gated

__all__ = ["STATES", "CircuitTallies", "circuit_gauges"]

STATES: Final = {"closed": 0.0, "forced_closed": 0.0, "half_open": 1.0, "open": 2.0, "forced_open": 2.0}


class CircuitTallies:
    """What was heard of circuits. Of the node's own, openings and failures are there from its start, at zero.

    `plan` is asked when the node has started, which is before anything is heard or read.
    """

    def __init__(self, plan: Callable[[], CircuitPlan], *, limit: int = KINDS) -> None:
        self.unread = 0
        self._plan = plan
        self._limit = limit

    @cached_property
    def labels(self) -> Kinds:
        """The labels of circuits, kept few."""
        return Kinds(self._own, limit=self._limit)

    @cached_property
    def _own(self) -> list[str]:
        return [spec.name for spec in self._plan().specs.values() if spec.expected]

    @cached_property
    def _transitions(self) -> Counts:
        return Counts({(self.labels[name], "open"): 0.0 for name in self._own})

    @cached_property
    def _outcomes(self) -> Counts:
        return Counts({(self.labels[name], outcome): 0.0 for name in self._own for outcome in ("ok", "fail")})

    def said(self, event: CircuitOutcomes) -> None:
        """Count what runs said."""
        self._outcomes[self.labels[event.circuit], event.outcome] += event.count

    def moved(self, event: CircuitChanged) -> None:
        """Count a transition."""
        self._transitions[self.labels[event.circuit], event.to_state] += 1

    def collect(self) -> Iterator[Family]:
        """Yield what a scrape reads."""
        yield counter(catalogue.CIRCUIT_TRANSITIONS, self._transitions)
        yield counter(catalogue.CIRCUIT_OUTCOMES, self._outcomes)
        yield counter(catalogue.CIRCUITS_UNREAD, {(): self.unread})


def circuit_gauges(known: KnownCircuits, gated: Iterable[Gated], labels: Kinds, *, now: float) -> Iterator[Family]:
    """Yield how the fleet's circuits stand, zeros for those of the configuration that never moved."""
    names = [spec.name for spec in known.plan.specs.values() if spec.expected]
    names += [breaker.spec.name for breaker in known.all() if breaker.spec.name not in names]
    state: dict[Labels, float] = {}
    open_for: dict[Labels, float] = {}
    for name in names:
        label, breaker = labels[name], known[name]
        state[label,] = max(state.get((label,), 0.0), STATES[breaker.state])
        open_for[label,] = max(open_for.get((label,), 0.0), breaker.open_for(now))
    held: dict[Labels, float] = dict.fromkeys(state, 0.0)
    oldest: dict[Labels, float] = dict.fromkeys(state, 0.0)
    for each in gated:
        label = labels[each.circuit]
        held[label,] = held.get((label,), 0.0) + each.jobs
        oldest[label,] = max(oldest.get((label,), 0.0), each.oldest_age)
    yield gauge(circuit_catalogue.CIRCUIT_STATE, state)
    yield gauge(circuit_catalogue.CIRCUIT_GATED, held)
    yield gauge(circuit_catalogue.CIRCUIT_GATED_AGE, oldest)
    yield gauge(circuit_catalogue.CIRCUIT_OPEN, open_for)
