"""The node's one LISTENing connection, and the switchboard to its sessions.

Notifications only make things quicker: while the connection is away, sessions find the same jobs by looking, a few times a second.
So losing it is weather, and after each reconnect every session looks once, since what was told meanwhile was not heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Protocol

from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, Event
from tidegate.runtime.ports import Notifications
from tidegate.runtime.runs import Runs
from tidegate.store.listener import Notification, NotTold
from tidegate.supervision import FunctionChild

__all__ = ["Listener", "Switchboard"]

LOOK_AGAIN = 60.0  # seconds; whether a pooler is in between changes when somebody moves an address
logger = logging.getLogger("tidegate.listener")


class Told(Protocol):
    """Who wants to hear about a queue."""

    def told(self, places: Mapping[int, int]) -> None:
        """Rows were made ready at these places; none named: look again."""

    def circuits_moved(self, opened: set[str], closed: set[str]) -> None:
        """These circuits let jobs through again, those hold them back."""

    def cancelled(self, job_ids: Sequence[int]) -> list[int]:
        """These jobs were cancelled from outside; return those that are held here."""


class Switchboard:
    """Which session serves a queue now. A session that was restarted takes the place of its predecessor."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._lines: dict[str, Told] = {}
        self._tell_node: Callable[[str | None], None] = _nobody
        self.on_circuit: Callable[[], None] = lambda: None
        """Called when a circuit moved somewhere in the fleet."""
        self._tell_of: Callable[[str, bool], None] = _nothing
        self.heard = False
        """Whether notifications arrive."""

    def connect(self, queue: str, session: Told) -> None:
        """Send what concerns `queue` to `session` from now on."""
        self._lines[queue] = session

    def connect_node(self, tell: Callable[[str | None], None]) -> None:
        """Call `tell` with each node of which something is asked; with None when something may have been."""
        self._tell_node = tell

    def connect_scaler(self, tell: Callable[[str, bool], None]) -> None:
        """Call `tell` with each queue of which something is told, and whether it is that jobs became ready."""
        self._tell_of = tell

    def tell_node(self, node: str) -> None:
        """Pass on that something is asked of a node."""
        self._tell_node(node)

    def tell(self, queue: str, places: Mapping[int, int]) -> None:
        """Pass on where rows became ready; a queue that this node does not serve is nobody's business here."""
        if (session := self._lines.get(queue)) is not None:
            session.told(places)
            self._tell_of(queue, bool(places))

    def cancel(self, queue: str, job_ids: Sequence[int]) -> None:
        """Have these jobs end, those of them that this node holds; may be said again."""
        if (session := self._lines.get(queue)) is not None:
            self._runs.cancel(session.cancelled(job_ids))

    def tell_all(self) -> None:
        """Make everybody look."""
        self.on_circuit()
        for session in self._lines.values():
            session.told({})
        self._tell_node(None)

    def circuits_moved(self, opened: set[str], closed: set[str]) -> None:
        """Pass on to every session which circuits let jobs through again, and which hold them back."""
        for session in self._lines.values():
            session.circuits_moved(opened, closed)


class Listener(FunctionChild):
    """Listens, and listens again after every loss."""

    def __init__(
        self,
        subscribe: Callable[[], Awaitable[Notifications]],
        switchboard: Switchboard,
        *,
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name="listener")
        self.listening = False
        self._subscribe = subscribe
        self._switchboard = switchboard
        self._emit = emit
        self._rng = rng

    def describe(self) -> Mapping[str, object]:
        """Return whether notifications arrive."""
        return {"listening": self.listening}

    async def _run(self) -> None:
        said = False
        while True:
            try:
                subscription = await self._subscribe()
                try:
                    if said:
                        logger.warning("notifications arrive again")
                    said, self.listening, self._switchboard.heard = False, True, True
                    self._switchboard.tell_all()
                    async for told in subscription.notifications():
                        self._pass_on(told)
                finally:
                    self.listening = self._switchboard.heard = False
                    await subscription.close()
            except NotTold as error:
                if not said:
                    logger.warning("no notifications (%s); queues look for jobs by themselves, four times each `poll`", error)
                said = True
                await asyncio.sleep(LOOK_AGAIN)
            except DatabaseUnreachable as error:
                if not said:
                    logger.warning("no notifications (%s); queues are polled meanwhile", error)
                said = True
                self._emit(DatabaseFailed("listen", str(error)))
            await asyncio.sleep(self._rng.uniform(0.2, 1.0))

    def _pass_on(self, told: Notification) -> None:
        if told.node is not None:
            self._switchboard.tell_node(told.node)
        elif told.circuit is not None:
            self._switchboard.on_circuit()
        elif told.cancelled:
            self._switchboard.cancel(told.queue, told.cancelled)
        else:
            self._switchboard.tell(told.queue, told.ready)


def _nothing(queue: str, ready: bool) -> None:
    """Do nothing about it."""


def _nobody(node: str | None) -> None:
    """Be nobody who could be asked."""
