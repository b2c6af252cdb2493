"""The bus that carries a node's events to whoever listens.

Metrics, logs and traces are subscribers; nothing on the job path knows them. There are two ways to listen:

    events.attach(handler)       for anybody: in a thread of its own, so that it may block, be slow or raise; see `listeners`
    events.subscribe(handler)    for the platform's own: in the emitter's turn, at no cost but its own, so it must be quick
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from time import monotonic
from typing import Final, NamedTuple

from tidegate.listeners import Listener

__all__ = ["CLOSE_WITHIN", "Event", "Events", "announce", "announce_all", "emitting", "heard"]

logger = logging.getLogger("tidegate.events")

CLOSE_WITHIN: Final = 2.0  # seconds that a node or a client that ends waits for attached handlers to be told the rest


class Event:
    """The base of all events."""

    __slots__ = ()


class _Subscription(NamedTuple):
    """One handler, and what it hears of."""

    handler: Callable[[Event], None]
    kinds: tuple[type, ...]


class Events:
    """One node's bus, or one client's."""

    def __init__(self) -> None:
        self._handlers: list[_Subscription] = []
        self._routes: dict[type[Event], list[Callable[[Event], None]]] = {}
        """Who is called with which events, looked up once a kind."""
        self._listeners: list[Listener[Event]] = []

    def attach(self, handler: Callable[[Event], object]) -> Callable[[], None]:
        """Call `handler` with every event from now on; the returned function detaches it.

        It is called in a thread of its own, with one event after the other, in the order in which they happened. So it may block,
        be slow, or raise: the node goes on, and the log has a line. One that is 100,000 events behind misses what comes then, and
        the log says so. It shares the interpreter, like any thread: what computes for long belongs into another process.
        """
        listener: Listener[Event] = Listener(handler)
        self._listeners.append(listener)
        detach = self.subscribe(listener)

        def leave() -> None:
            detach()
            if listener in self._listeners:
                self._listeners.remove(listener)
                listener.end()

        return leave

    def subscribe(self, handler: Callable[[Event], None], *kinds: type[Event]) -> Callable[[], None]:
        """Call `handler` in the emitter's turn, before `emit` returns; the returned function ends that. No `kinds`: all events.

        For what is quick and never blocks. It is called on the node's loop, but by Enqueued, which comes from whatever thread
        enqueued. One that raises costs a line in the log.
        """
        subscription = _Subscription(handler, kinds or (object,))
        self._have([*self._handlers, subscription])
        return lambda: self._have([each for each in self._handlers if each is not subscription])

    def emit(self, event: Event) -> None:
        """Hand `event` to everybody, in the order in which they came."""
        kind = type(event)
        handlers = self._routes.get(kind)
        for handler in self._route(kind) if handlers is None else handlers:
            try:
                handler(event)
            except Exception:
                logger.exception("an event handler raised on %r", event)

    @property
    def listened(self) -> bool:
        """Tell whether anybody listens."""
        return bool(self._handlers)

    @property
    def attached(self) -> bool:
        """Tell whether anybody is attached (and has a thread that `close` waits for)."""
        return bool(self._listeners)

    def close(self, within: float) -> None:
        """Detach the attached handlers; wait up to `within` seconds in all until they have been told what happened before."""
        listeners, self._listeners = self._listeners, []
        self._have([each for each in self._handlers if each.handler not in listeners])
        for listener in listeners:
            listener.end()
        deadline = monotonic() + within
        for listener in listeners:
            if not listener.join(max(deadline - monotonic(), 0.0)):
                logger.warning("%r did not end in time; it is left behind", listener)

    def _have(self, handlers: list[_Subscription]) -> None:
        self._handlers, self._routes = handlers, {}  # replaced, not changed: an emit may be going through them

    def _route(self, kind: type[Event]) -> list[Callable[[Event], None]]:
        routes = self._routes  # before the handlers: what is noted in routes that are replaced meanwhile is forgotten with them
        routes[kind] = [each.handler for each in self._handlers if issubclass(kind, each.kinds)]
        return routes[kind]


emitting: ContextVar[Callable[[Event], None] | None] = ContextVar("tidegate_emitting", default=None)
"""Inside a handler of jobs: where its node's events go."""


def announce(event: Event, events: Events) -> None:
    """Emit a client's event; where a handler of jobs is the caller, its node hears of it as well."""
    events.emit(event)
    node = emitting.get()
    if node is not None and node != events.emit:
        node(event)


def announce_all(many: Iterable[Event], events: Events) -> None:
    """Do the same with many; where nobody listens they are not even made."""
    if heard(events):
        for event in many:
            announce(event, events)


def heard(events: Events) -> bool:
    """Tell whether anybody hears what a client announces."""
    return events.listened or emitting.get() is not None
