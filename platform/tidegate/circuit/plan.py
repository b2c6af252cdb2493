"""Which circuit each kind of job has, by which numbers: what the configuration comes to, for those who claim and report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tidegate.circuit.record import CircuitSpec

__all__ = ["CircuitPlan"]


class CircuitPlan:
    """The circuits of one configuration. A kind without one is never held back."""

    def __init__(self, specs: Iterable[CircuitSpec] = (), *, rng: Callable[[], float] = float) -> None:
        self.specs: Mapping[str, CircuitSpec] = {spec.name: spec for spec in specs}
        self.rng = rng
        """Chance between 0 and 1, for the jitter of openings."""
        self.by_kind: Mapping[str, str] = {kind: spec.name for spec in self.specs.values() for kind in spec.kinds}

    def of(self, kind: str) -> CircuitSpec | None:
        """Return the circuit of a kind."""
        name = self.by_kind.get(kind)
        return None if name is None else self.specs[name]

    def spec(self, name: str) -> CircuitSpec:
        """Return a circuit by its name; one that the configuration does not know has the usual numbers."""
        return self.specs.get(name) or CircuitSpec(name)
