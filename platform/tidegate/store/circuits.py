"""How reports get into the circuits' rows, and how a circuit is moved: read, run the state machine, write under the row's version.

Whoever comes second finds another version and does it again on what the first one wrote, so that totals are exact and a transition
is single. The steps are generators that yield statements and are sent their rows, since they run on three kinds of connections: a
session's, an engine's, and a handler's own (async or blocking). Inside a transaction circuits are written one by one in the order
of their names, so that no two transactions wait for each other (protocol A2).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any

from tidegate.circuit import Change, Circuit, CircuitPlan, CircuitRecord, CircuitSpec, Good, Report, settle_reports
from tidegate.circuit.record import change

__all__ = ["Steps", "is_silent", "moving", "recording", "registering", "returning", "run_blocking", "run_steps"]

Step = tuple[str, dict[str, Any]]
Steps = Generator[Step, list[Any], list[Change]]


def recording(plan: CircuitPlan, good: Good, reports: Sequence[Report], *, node: str, one_by_one: bool = False) -> Steps:
    """Write what runs said; return the changes, each with what its reports came to."""
    said: dict[str, tuple[list[tuple[int, int]], list[Report]]] = {}
    for (name, gen), times in good.items():
        said.setdefault(name, ([], []))[0].append((gen, times))
    for report in reports:
        said.setdefault(report.circuit, ([], []))[1].append(report)

    def settle(record: CircuitRecord) -> Change:
        return settle_reports(record, plan.spec(record.name), *said[record.name], rng=plan.rng)

    return (yield from _write(sorted(said), settle, node=node, one_by_one=one_by_one))


def is_silent(reports: Sequence[Report]) -> bool:
    """Tell whether these say nothing but that their runs are over."""
    return all(report.result == "ignore" and report.retry_after is None for report in reports)


def returning(reports: Sequence[Report]) -> Steps:
    """Give back the permits of runs that said nothing else."""
    back = [report for report in reports if report.permit]
    if back:
        yield "circuit_return", {"names": [report.circuit for report in back], "gens": [report.gen for report in back]}
    return []


def moving(
    spec: CircuitSpec | None,
    name: str,
    act: Callable[[Circuit, float], object],
    *,
    node: str | None,
    rng: Callable[[], float],
    actor: str | None = None,
    note: str | None = None,
) -> Steps:
    """Let `act` move a circuit, by `spec` or by the numbers that its row carries; no change where it moved nothing."""

    def move(record: CircuitRecord) -> Change | None:
        moved = change(record, spec or record.stored_spec(), act, rng=rng, actor=actor, note=note)
        return moved if moved.transition is not None or moved.circuit.ramp_from != record.ramp_from else None

    return (yield from _write([name], move, node=node, one_by_one=False))


def registering(plan: CircuitPlan, *, node: str) -> Steps:
    """Have a row for every circuit of the plan, with the plan's numbers and kinds."""

    def tell(record: CircuitRecord) -> Change | None:
        spec = plan.specs[record.name]
        stored = record.stored_spec()
        known = stored.observe == spec.observe and set(stored.kinds) == set(spec.kinds) and stored.written() == spec.written()
        return None if known and record.config else change(record, spec, _stay, rng=plan.rng)

    names = sorted(name for name, spec in plan.specs.items() if spec.expected)
    yield "circuit_make", {"names": names}
    return (yield from _write(names, tell, node=node, one_by_one=False))


async def run_steps(steps: Steps, run: Callable[[str, dict[str, Any]], Awaitable[list[Any]]]) -> list[Change]:
    """Run the steps; `run` returns the rows of a statement of that name."""
    rows: list[Any] | None = None
    while True:
        try:
            name, params = steps.send(rows) if rows is not None else next(steps)
        except StopIteration as end:
            return list(end.value)
        rows = await run(name, params)


def run_blocking(steps: Steps, run: Callable[[str, dict[str, Any]], list[Any]]) -> list[Change]:
    """Run the steps where nothing is awaited."""
    rows: list[Any] | None = None
    while True:
        try:
            name, params = steps.send(rows) if rows is not None else next(steps)
        except StopIteration as end:
            return list(end.value)
        rows = run(name, params)


def _write(names: Sequence[str], settle: Callable[[CircuitRecord], Change | None], *, node: str | None, one_by_one: bool) -> Steps:
    done: list[Change] = []
    for group in [[name] for name in names] if one_by_one else [list(names)]:
        left = group
        while left and (changes := (yield from _changes(left, settle))):  # ends: each conflict means that somebody else got on
            params = {"rows": json.dumps([each.row() for each in changes.values()]), "node": node}
            written = {row[0] for row in (yield "circuit_write", params)}
            done += [each for name, each in changes.items() if name in written]
            left = [name for name in changes if name not in written]
    return done


def _changes(
    names: Sequence[str], settle: Callable[[CircuitRecord], Change | None]
) -> Generator[Step, list[Any], Mapping[str, Change]]:
    rows = yield "circuit_load", {"names": list(names)}
    if missing := set(names) - {row[0] for row in rows}:
        yield "circuit_make", {"names": sorted(missing)}
        rows = yield "circuit_load", {"names": list(names)}
    changes = {row[0]: settle(CircuitRecord._make(row)) for row in rows}
    return {name: each for name, each in changes.items() if each is not None}


def _stay(circuit: Circuit, now: float) -> None:
    """Move nothing: only what surrounds the circuit is written anew."""
