"""The fleet's circuits, as a program of your own sees and moves them: `tide.circuits`.

    await tide.circuits.open("smtp", reason="provider maintenance", seconds=7200)
    (await tide.circuits.show("smtp")).why

Each verb is what `tidegate circuits` does, over a connection of its own for a moment, since it is seldom done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

from tidegate.circuit import CircuitPlan
from tidegate.circuit.assignment import assign
from tidegate.errors import ConfigurationError
from tidegate.store.connection import connect

if TYPE_CHECKING:
    from tidegate.client.intake import Intake
    from tidegate.introspection import CircuitEvent, Circuits, CircuitView
    from tidegate.settings import Settings

__all__ = ["BlockingCircuits", "FleetCircuits"]


class BlockingCircuits:
    """Looks at circuits and moves them, for the whole fleet at once; each move leaves who did it (`actor`) and why (`reason`).

    A circuit that neither a node nor the configuration knows is `NotFound`.
    """

    def __init__(self, database: Callable[[], str], settings: Settings, intake: Intake) -> None:
        self._database = database
        self._settings = settings
        self._intake = intake

    def list(self) -> Sequence[CircuitView]:
        """Return every circuit that a node has told of or the configuration names, by name."""
        with self._circuits() as circuits:
            return circuits.all()

    def show(self, name: str) -> CircuitView:
        """Return one circuit: `why` it is as it is, what it does `next`, what waits behind it, what each command would do."""
        with self._circuits() as circuits:
            return circuits.show(name)

    def history(self, name: str, *, limit: int = 20) -> Sequence[CircuitEvent]:
        """Return what a circuit went through, the newest first, each with its evidence."""
        with self._circuits() as circuits:
            return circuits.history(name, limit=limit)

    def open(self, name: str, *, reason: str | None = None, seconds: float | None = None, actor: str | None = None) -> CircuitView:
        """Hold all its jobs back: for `seconds`, after which probes decide, or until somebody closes or resets it."""
        with self._circuits(actor) as circuits:
            return circuits.open(name, reason=reason, seconds=seconds)

    def close(self, name: str, *, reason: str | None = None, seconds: float | None = None, actor: str | None = None) -> CircuitView:
        """Let its jobs run whatever comes of them: for `seconds`, or until somebody resets it."""
        with self._circuits(actor) as circuits:
            return circuits.close(name, reason=reason, seconds=seconds)

    def half_open(self, name: str, *, reason: str | None = None, actor: str | None = None) -> CircuitView:
        """Let its probes through now, which decide."""
        with self._circuits(actor) as circuits:
            return circuits.half_open(name, reason=reason)

    def reset(self, name: str, *, reason: str | None = None, actor: str | None = None) -> CircuitView:
        """Close it, with an empty window and no trips; from here on it decides for itself."""
        with self._circuits(actor) as circuits:
            return circuits.reset(name, reason=reason)

    @contextmanager
    def _circuits(self, actor: str | None = None) -> Iterator[Circuits]:
        from tidegate.introspection import Circuits  # noqa: PLC0415 - who only enqueues does not pay for it

        with connect(self._database()) as connection:
            yield Circuits(connection, plan=self._plan(), actor=actor)

    def _plan(self) -> CircuitPlan:
        """Return the circuits of the configuration; none where this program cannot import the jobs: nodes have told of theirs."""
        try:
            return assign(self._settings, self._intake.handlers, rng=Random().random).plan
        except ConfigurationError:
            return CircuitPlan()


class FleetCircuits:
    """The verbs of `BlockingCircuits` with await, each in a thread."""

    def __init__(self, blocking: BlockingCircuits) -> None:
        self._blocking = blocking

    async def list(self) -> Sequence[CircuitView]:
        """See `BlockingCircuits.list`."""
        return await asyncio.to_thread(self._blocking.list)

    async def show(self, name: str) -> CircuitView:
        """See `BlockingCircuits.show`."""
        return await asyncio.to_thread(self._blocking.show, name)

    async def history(self, name: str, *, limit: int = 20) -> Sequence[CircuitEvent]:
        """See `BlockingCircuits.history`."""
        return await asyncio.to_thread(self._blocking.history, name, limit=limit)

    async def open(
        self, name: str, *, reason: str | None = None, seconds: float | None = None, actor: str | None = None
    ) -> CircuitView:
        """See `BlockingCircuits.open`."""
        return await asyncio.to_thread(self._blocking.open, name, reason=reason, seconds=seconds, actor=actor)

    async def close(
        self, name: str, *, reason: str | None = None, seconds: float | None = None, actor: str | None = None
    ) -> CircuitView:
        """See `BlockingCircuits.close`."""
        return await asyncio.to_thread(self._blocking.close, name, reason=reason, seconds=seconds, actor=actor)

    async def half_open(self, name: str, *, reason: str | None = None, actor: str | None = None) -> CircuitView:
        """See `BlockingCircuits.half_open`."""
        return await asyncio.to_thread(self._blocking.half_open, name, reason=reason, actor=actor)

    async def reset(self, name: str, *, reason: str | None = None, actor: str | None = None) -> CircuitView:
        """See `BlockingCircuits.reset`."""
        return await asyncio.to_thread(self._blocking.reset, name, reason=reason, actor=actor)
