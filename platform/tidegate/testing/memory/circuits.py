"""The circuits of a database in memory: what each of the circuit statements does to their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tidegate.circuit import CircuitRecord

__all__ = ["MemoryCircuits"]


class MemoryCircuits:
    """The rows of `circuits` and `circuit_events`. `told` is called with each transition."""

    def __init__(self, clock: Callable[[], float], told: Callable[[str], None]) -> None:
        self.rows: dict[str, CircuitRecord] = {}
        self.events: list[dict[str, Any]] = []
        self._carried: dict[str, int] = {}
        self._ramp_steps: dict[str, float] = {}
        self._clock = clock
        self._told = told

    def run(self, name: str, params: dict[str, Any]) -> list[Any]:
        """Do what the statement of that name does."""
        match name:
            case "circuit_load":
                names = self.rows if params["names"] is None else params["names"]
                return [self.rows[each]._replace(now=self._clock()) for each in sorted(names) if each in self.rows]
            case "circuit_make":
                for each in params["names"]:
                    self.rows.setdefault(each, self._new(each))
                return []
            case "circuit_return":
                self.give_back(zip(params["names"], params["gens"], strict=True))
                return []
            case _:
                return [(row["name"],) for row in json.loads(params["rows"]) if self._write(row, params["node"])]

    def held(self, jobs: Iterable[tuple[str, str, float]]) -> list[tuple[str, str | None, int, float]]:
        """Return what circuits_gated.sql does of ready jobs, (queue, kind, when it was due) each."""
        by_kind = {kind: row.name for row in self.rows.values() if row.gates for kind in row.kinds}
        due: dict[tuple[str, str], list[float]] = {}
        for queue, kind, at in jobs if by_kind else ():
            due.setdefault((queue, by_kind.get(kind, "")), []).append(at)
        return [(queue, circuit or None, len(times), self._clock() - min(times)) for (queue, circuit), times in sorted(due.items())]

    @property
    def gating(self) -> bool:
        """Tell whether any circuit holds jobs back."""
        return any(row.gates for row in self.rows.values())

    def gates(self, circuit: str | None) -> bool:
        """Tell whether this one does."""
        return circuit in self.rows and self.rows[circuit].gates

    def gen(self, circuit: str | None) -> int:
        """Return its generation."""
        return self.rows[circuit].gen if circuit in self.rows else 0

    def room(self, circuit: str) -> int | None:
        """Return how many permits it has left; None: it needs none."""
        row = self.rows[circuit]
        if not row.gates:
            return None
        if row.ramp_from is None:
            return (row.places or 0) - row.permits
        steps = (self._clock() - row.ramp_from) // self._ramp_steps[circuit]
        return max(int((row.places or 0) * 2 ** min(steps, 20)) - self._carried[circuit], 1) - row.permits

    def give(self, circuit: str, permits: int) -> None:
        """Count permits that were handed out."""
        row = self.rows[circuit]
        self.rows[circuit] = row._replace(permits=row.permits + permits)

    def give_back(self, permits: Any) -> None:
        """Take permits back; those of another generation are void."""
        for circuit, gen in permits:
            if circuit in self.rows and self.rows[circuit].gen == gen:
                self.give(circuit, -1)

    def recount(self, out: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Set the permits that are out to how often each (circuit, generation) is in `out`."""
        changed = []
        for name, row in sorted(self.rows.items()):
            permits = list(out).count((name, row.gen))
            if row.permits and row.permits != permits:
                self.rows[name] = row._replace(permits=permits)
                changed.append((name, permits))
        return changed

    def _new(self, name: str) -> CircuitRecord:
        counts: dict[str, Any] = dict.fromkeys(
            ("version", "gen", "trips", "calls", "failures", "slow", "probes_ok", "probes_failed", "permits"), 0
        )
        nothing: dict[str, Any] = dict.fromkeys(("until", "opened_at", "ramp_from", "places", "actor", "note", "memory", "config"))
        now = self._clock()
        return CircuitRecord(
            name=name, state="closed", gates=False, observe=False, reason="", kinds=[], changed_at=now, now=now, **counts, **nothing
        )

    def _write(self, row: dict[str, Any], node: str | None) -> bool:
        before = self.rows[row["name"]]
        if before.version != row["version"]:
            return False
        left = max(before.permits - row["back"], 0)
        same = before.gen == row["gen"]
        if not same:
            self._carried[before.name] = 0 if row["ramp_from"] is None else left
        self._ramp_steps[before.name] = row["ramp_step"] or 0.0
        event = row["event"]
        own = {name: row[name] for name in CircuitRecord._fields if name in row and name not in ("version", "memory", "config")}
        self.rows[before.name] = before._replace(
            **own,
            version=before.version + 1,
            permits=left if same else 0,
            memory=json.dumps(row["memory"]),
            config=json.dumps(row["config"]),
            changed_at=self._clock() if event else before.changed_at,
        )
        if event:
            shared = {name: row[name] for name in ("gen", "reason", "until", "actor", "note")}
            self.events.append({"circuit": before.name, "to_state": row["state"], "node": node, **shared, **event})
            self._told(before.name)
        return True
