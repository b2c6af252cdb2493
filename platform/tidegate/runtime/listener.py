"""The node's one LISTENing connection, and the switchboard to its sessions.

Notifications only make things quicker: while the connection is away, sessions find the same jobs by looking, a few times a second.
So losing it is weather, and after each reconnect every session looks once, since what was told meanwhile was not heard.

A connection that listens proves nothing: a pooler may lend its server's side to others, a network may swallow what comes unasked.
So the node tells itself something, over another connection, at once and from time to time, and is deaf until that arrives.
"""

from __future__ import annotations

import asyncio
import json
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
TICK = 1.0  # seconds
ECHO_EVERY = 30  # ticks between one proof and the next
ECHO_WITHIN = 5  # ticks, not seconds: a loop that was blocked has not looked yet
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
        """Whether notifications arrive, as one that this node sent itself has proved."""
        self.deaf = False
        """Whether it was found that they do not."""

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
        tell: Callable[[Sequence[str]], Awaitable[None]],
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name="listener")
        self.listening = False
        self._tell = tell
        self._subscribe = subscribe
        self._switchboard = switchboard
        self._emit = emit
        self._rng = rng

    def describe(self) -> Mapping[str, object]:
        """Return whether it listens, and whether notifications arrive."""
        return {"listening": self.listening, "deaf": self._switchboard.deaf}

    async def _run(self) -> None:
        while True:
            proven = False
            try:
                subscription = await self._subscribe()
                try:
                    self.listening = True
                    self._switchboard.tell_all()
                    await self._listen(subscription)
                finally:
                    proven = self._switchboard.heard
                    self.listening = self._switchboard.heard = False
                    await subscription.close()
            except NotTold as error:
                if not proven:  # else a new connection may hear what this one no longer does
                    self._say(f"no notifications ({error}); queues look for jobs by themselves, four times each `poll`")
                    await asyncio.sleep(LOOK_AGAIN)
            except DatabaseUnreachable as error:
                self._say(f"no notifications ({error}); queues are polled meanwhile")
                self._emit(DatabaseFailed("listen", str(error)))
            await asyncio.sleep(self._rng.uniform(0.2, 1.0))

    async def _listen(self, subscription: Notifications) -> None:
        """Pass on what is told; raise `NotTold` when what this node told itself does not arrive."""
        word, ticks = await self._tell_itself(), 0
        async for told in subscription.notifications(TICK):
            if told is None:
                ticks += 1
                if word is not None and ticks >= ECHO_WITHIN:
                    raise NotTold("what this node told itself did not arrive; a pooler in transaction mode does that")
                if word is None and (ticks >= ECHO_EVERY or not self._switchboard.heard):
                    word, ticks = await self._tell_itself(), 0
            elif told.echo is None:
                self._pass_on(told)
            elif told.echo == word:
                word, ticks, self._switchboard.heard = None, 0, True
                if self._switchboard.deaf:
                    self._switchboard.deaf = False
                    logger.warning("notifications arrive again")

    async def _tell_itself(self) -> str | None:
        """Say a word that only this node waits for; None: it could not be said, which proves nothing."""
        word = f"{self._rng.getrandbits(64):016x}"
        try:
            await self._tell([json.dumps({"echo": word})])
        except DatabaseUnreachable:
            return None
        return word

    def _say(self, words: str) -> None:
        """Say it once."""
        if not self._switchboard.deaf:
            logger.warning(words)
        self._switchboard.deaf = True

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
