"""Keeps what this node knows of the fleet's circuits current, and moves those that the time alone moves.

The rows are read again when a notification says so, and by their age. An open circuit whose time is over is let probe by whichever
node comes first. When the table cannot be read, what was known last holds for `STALE_AFTER` seconds; then nothing is held back here
(rule 21).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, Protocol

from tidegate.circuit import Circuit, Transition
from tidegate.errors import DatabaseUnreachable
from tidegate.events import CircuitChanged, CircuitsUnread, Event
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.store.protocol import Store
from tidegate.supervision import FunctionChild

__all__ = ["CircuitBreakers", "changed"]

logger = logging.getLogger("tidegate.circuits")

STALE_AFTER: Final = 30.0  # seconds (rule 21)
REFRESH: Final = 5.0  # seconds; a notification tells sooner
REFRESH_MOVING: Final = 1.0  # seconds, while any circuit is anything but closed
REGISTER_EVERY: Final = 3_600.0
RETRY: Final = 1.0
SPREAD: Final = 0.1  # seconds by which nodes differ when an open circuit's time is over: one of them is enough


class Sessions(Protocol):
    """Whoever looks for jobs of circuits."""

    def circuits_moved(self, opened: set[str], closed: set[str]) -> None:
        """These let jobs through again, by permits or freely; those hold them back."""


class CircuitBreakers(FunctionChild):
    """The keeper of one node's `KnownCircuits`."""

    def __init__(
        self,
        known: KnownCircuits,
        *,
        store: Store,
        node: Callable[[], str],
        sessions: Sessions,
        leading: Callable[[], bool],
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name="circuits")
        self._known = known
        self._store = store
        self._node = node
        self._sessions = sessions
        self._leading = leading
        self._emit = emit
        self._rng = rng
        self._wake = asyncio.Event()
        self._read_at: float | None = None
        self._register_at = 0.0
        self._failing = False
        self._warned: set[tuple[str, str]] = set()
        known.look = self._wake.set

    def describe(self) -> Mapping[str, object]:
        """Return what holds jobs back, for introspection."""
        known = self._known.all()
        return {"circuits": len(known), "gating": [breaker.spec.name for breaker in known if breaker.gates]}

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            pause = await self._turn()
            timer = asyncio.get_running_loop().call_later(pause, self._wake.set)
            await self._wake.wait()
            timer.cancel()

    async def _turn(self) -> float:
        """Read, and move what is due; return for how long nothing is to be done."""
        try:
            if self._now() >= self._register_at:
                await self._store.know_circuits(self._known.plan, node=self._node())
                self._register_at = self._now() + REGISTER_EVERY
            await self._read()
            if await self._move_what_is_due():
                await self._read()
        except DatabaseUnreachable as error:
            return self._failed(error)
        return self._pause()

    async def _read(self) -> None:
        records = await self._store.circuits()
        self._read_at = self._now()
        if self._failing:
            self._failing = False
            logger.warning("the circuits can be read again")
        moved = self._known.learn(records, self._read_at)
        for difference in self._known.unlike.items():
            if difference not in self._warned:  # whoever writes last is seen: it comes and goes
                self._warned.add(difference)
                logger.warning("circuit %s has other numbers here than elsewhere: %s; each node judges by its own", *difference)
        if moved.opened or moved.closed:
            self._sessions.circuits_moved(moved.opened, moved.closed)
        for state, record in moved.by_hand if self._leading() else ():  # whoever moved it is no node, and tells nobody of it
            self._emit(CircuitChanged(
                record.name, state, record.state, record.reason, record.gen, record.calls, record.failures, record.slow,
                record.actor,
            ))  # fmt: skip

    async def _move_what_is_due(self) -> bool:
        now = self._now()
        due = [breaker.spec.name for breaker in self._known.all() if now >= breaker.due_at()]
        for name in due:
            spec, plan = self._known.plan.specs.get(name), self._known.plan
            change = await self._store.move_circuit(name, _elapse, rng=plan.rng, spec=spec, node=self._node())
            if change is not None and change.transition is not None:
                self._emit(changed(change.transition))
        return bool(due)

    def _pause(self) -> float:
        now, known = self._now(), self._known.all()
        moving = any(breaker.gates or breaker.state != "closed" for breaker in known)
        pause = (REFRESH_MOVING if moving else REFRESH) * self._rng.uniform(0.9, 1.1)
        due = min((breaker.due_at() for breaker in known), default=float("inf"))
        return min(pause, max(due - now, 0.0) + SPREAD * self._rng.random())

    def _failed(self, error: DatabaseUnreachable) -> float:
        if not self._failing:
            self._failing = True
            logger.warning("the circuits cannot be read (%s); what was known last holds for %g s", error, STALE_AFTER)
        self._emit(CircuitsUnread(str(error)))
        if self._known.gating and (self._read_at is None or self._now() - self._read_at > STALE_AFTER):
            logger.warning("the circuits could not be read for %g s: nothing is held back by them until they can", STALE_AFTER)
            self._known.forget()
        return RETRY * self._rng.uniform(0.9, 1.1)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def changed(moved: Transition) -> CircuitChanged:
    """Return the event of a transition."""
    return CircuitChanged(
        moved.circuit, moved.from_state, moved.to_state, moved.reason, moved.gen, moved.calls, moved.failures, moved.slow,
        moved.actor,
    )  # fmt: skip


def _elapse(circuit: Circuit, now: float) -> None:
    circuit.elapse(now)
