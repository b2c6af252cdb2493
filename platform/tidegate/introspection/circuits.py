"""Circuits from outside: looked at, and moved by hand.

    with connect(conninfo) as connection:                       # store.connection.connect
        Circuits(connection).open("smtp", reason="provider maintenance", seconds=7200)

What is moved is moved for the whole fleet at once, wins over whatever the outcomes say at that moment, and leaves a row that says
who did it and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate.circuit import Circuit, CircuitPlan, CircuitRecord, CircuitSpec
from tidegate.errors import NotFound, UsageError, nearest
from tidegate.introspection.actor import whoami
from tidegate.introspection.asking import asking
from tidegate.introspection.circuit_views import CircuitEvent, CircuitView, view_of
from tidegate.store.circuits import moving, run_blocking
from tidegate.store.gated import LOOKED_AT, Gated, gated_of
from tidegate.store.rows import EXACT_COUNT, estimated
from tidegate.store.statements import statement

__all__ = ["LONGEST", "Circuits", "gated_jobs"]

NEWEST: Final = 2**63 - 1
LONGEST: Final = 366 * 86_400.0
"""Seconds for which something may be forced with an end; without one it holds until it is undone."""


class Circuits:
    """Answers and acts over one autocommit connection (`store.connection.connect`).

    `plan` has the circuits of the configuration, where that is at hand: those that no node has told of yet are known by it.
    """

    def __init__(self, connection: psycopg.Connection[Any], *, plan: CircuitPlan | None = None, actor: str | None = None) -> None:
        self._connection = connection
        self._plan = plan or CircuitPlan()
        self._actor = actor or whoami()

    def all(self) -> list[CircuitView]:
        """Return every circuit that a node has told of or the configuration names, by name."""
        with asking("look at the circuits"):
            records = {record.name: record for record in self._records(None)}
            gated = gated_jobs(self._connection)
            [(now,)] = self._steps("moment", {})
        views = [self._view(record, gated) for record in records.values()]
        untold = (spec for spec in self._plan.specs.values() if spec.expected and spec.name not in records)
        views += [_untold(spec, now) for spec in untold]
        return sorted(views, key=lambda view: view.circuit)

    def show(self, name: str) -> CircuitView:
        """Return one circuit; NotFound where neither a node nor the configuration knows it."""
        views = {view.circuit: view for view in self.all()}
        if name in views:
            return views[name]
        if name in self._plan.specs:  # a kind without a @job of its own has a row from its first report on
            return _untold(self._plan.specs[name], next(iter(views.values())).now if views else datetime.fromtimestamp(0, UTC))
        close = nearest(name, views)
        raise NotFound(
            f"there is no circuit {name!r}{f'; did you mean {close[0]!r}?' if close else ''}",
            hint="`tidegate circuits list` shows those there are",
        )

    def history(self, name: str, *, limit: int = 20) -> list[CircuitEvent]:
        """Return what a circuit went through, the newest first; NotFound where there is no such circuit and was none."""
        with asking("read the circuit's history"):
            rows = self._rows("circuit_history", {"circuit": name, "before": NEWEST, "n": limit})
        if not rows:
            self.show(name)
        return [_event(row) for row in rows]

    def open(self, name: str, *, reason: str | None = None, seconds: float | None = None) -> CircuitView:
        """Hold all jobs of the circuit back: for `seconds`, after which probes decide, or until somebody closes it."""
        return self._force(name, "forced_open", reason, seconds)

    def close(self, name: str, *, reason: str | None = None, seconds: float | None = None) -> CircuitView:
        """Let jobs run whatever comes of them: for `seconds`, or until somebody resets it."""
        return self._force(name, "forced_closed", reason, seconds)

    def half_open(self, name: str, *, reason: str | None = None) -> CircuitView:
        """Let the probes through now, which decide."""
        return self._force(name, "half_open", reason, None)

    def reset(self, name: str, *, reason: str | None = None) -> CircuitView:
        """Close it, with an empty window and no trips; from here on it decides for itself."""
        return self._move(name, lambda circuit, now: circuit.reset(now), reason)

    def _force(self, name: str, state: str, reason: str | None, seconds: float | None) -> CircuitView:
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise UsageError(
                f"a circuit can be forced for more than 0 s and at most {LONGEST / 86_400:.0f} days; got {seconds:g} s",
                hint="without an end it holds until it is undone",
            )

        def act(circuit: Circuit, now: float) -> None:
            circuit.force(state, now, until=None if seconds is None else now + seconds)

        return self._move(name, act, reason)

    def _move(self, name: str, act: Callable[[Circuit, float], object], reason: str | None) -> CircuitView:
        self.show(name)  # NotFound
        with asking("move the circuit"):
            told = any(record.config for record in self._records([name]))
            spec = None if told else self._plan.specs.get(name)  # by the numbers of the nodes, wherever these are said
            run_blocking(moving(spec, name, act, node=None, rng=Random().random, actor=self._actor, note=reason), self._steps)
        return self.show(name)

    def _records(self, names: list[str] | None) -> Iterator[CircuitRecord]:
        return map(CircuitRecord._make, self._steps("circuit_load", {"names": names}))

    def _view(self, record: CircuitRecord, gated: list[Gated]) -> CircuitView:
        mine = [each for each in gated if each.circuit == record.name]
        return view_of(
            record,
            self._plan.specs.get(record.name),
            gated=sum(each.jobs for each in mine),
            oldest=max((each.oldest_age for each in mine), default=None),
        )

    def _steps(self, name: str, params: Mapping[str, Any]) -> list[Any]:
        return self._connection.execute(statement(name), params).fetchall()

    def _rows(self, name: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


def gated_jobs(connection: psycopg.Connection[Any]) -> list[Gated]:
    """Return the ready jobs that circuits hold back, by queue and circuit; nothing where the circuits cannot be read."""
    try:
        rows = connection.execute(statement("circuits_gated"), {"most": LOOKED_AT}).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return []  # jobs run without the circuits, too, and so does whoever looks at jobs
    looked: dict[str, int] = {}
    for row in rows:
        looked[row[0]] = looked.get(row[0], 0) + row[2]
    ready = {queue: _size(connection, queue) for queue, jobs in looked.items() if jobs >= LOOKED_AT}
    return gated_of(rows, ready)


def _size(connection: psycopg.Connection[Any], queue: str) -> int:
    [(plan,)] = connection.execute(statement("estimate"), {"queue": queue, "state": "ready"}).fetchall()
    return max(estimated(plan), EXACT_COUNT)


def _untold(spec: CircuitSpec, now: datetime) -> CircuitView:
    config = spec.config
    return CircuitView(
        spec.name, "closed", now, allowed=config.probes, needed=config.wanted, observe=spec.observe, kinds=spec.kinds,
        config=spec.written(),
    )  # fmt: skip


def _event(row: Mapping[str, Any]) -> CircuitEvent:
    return CircuitEvent(calls=row["n"], failures=row["failed"], **{name: row[name] for name in row if name not in ("n", "failed")})
