"""What every dispatcher promises: demand comes in, events go out, and nothing is lost between the two.

A dispatcher is a synchronous state machine without I/O. It decides who gets which events and how much its producer is to be asked
for, and returns that; the producer's shell does it. A producer without a dispatcher of its own gets a DemandDispatcher.
"""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from tidegate.errors import Refused
from tidegate.stages.subscription import SubRef, Subscription

__all__ = ["ALREADY_SUBSCRIBED", "NOTHING", "Dispatch", "Dispatcher", "Rejected"]

T = TypeVar("T")

ALREADY_SUBSCRIBED: Final = "already_subscribed"


class Rejected(Refused):
    """A dispatcher does not take this subscription; `reason` says why in one word. Nobody else is touched by it (G15)."""

    def __init__(self, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Dispatch(NamedTuple, Generic[T]):
    """What is to be done: messages to send, events for the buffer, demand to ask again for a subscription, infos now due."""

    sends: list[tuple[SubRef, list[T]]]
    leftover: list[T]
    reask: list[tuple[SubRef, int]]
    infos: list[Any]


NOTHING: Final[Dispatch[Any]] = Dispatch([], [], [], [])
"""The answer of a dispatcher that has nothing to do; shared, so nobody may add to it."""


class Dispatcher(Protocol[T]):
    """Who gets which events. Subclass it for the verbs that a dispatcher without queues of its own need not think about."""

    @property
    def wanted(self) -> int:
        """Return how many events `dispatch` would take now; more would be leftover."""
        ...

    @property
    def demand(self) -> int:
        """Return what its producer was asked for and has not delivered."""
        ...

    def subscribe(self, sub: SubRef, opts: Subscription[Any]) -> int:
        """Take `sub` in, with no demand; return what to ask the producer for; raise Rejected if it cannot be."""
        ...

    def cancel(self, sub: SubRef) -> tuple[int, list[T]]:
        """Forget `sub`; return what to ask the producer for, and the events that were waiting for it and are to be handed back."""
        ...

    def ask(self, sub: SubRef, n: int) -> tuple[int, Dispatch[T]]:
        """Add `n` to the open demand of `sub`; return what to ask the producer for, and what can be done at once."""
        ...

    def retract(self, sub: SubRef, n: int) -> int:
        """Take up to `n` off the open demand of `sub`; return how much: so many events fewer will come."""
        ...

    def dispatch(self, events: list[T]) -> Dispatch[T]:
        """Hand out `events`; what nobody asked for is the leftover. If it raises, nothing was handed out."""
        ...

    def info(self, message: Any) -> list[Any]:
        """Put `message` behind the events that wait here; return the infos that can be delivered now."""
        ...

    def due(self) -> list[Any]:
        """Return the infos that a cancel has set free."""
        return []

    def close(self) -> list[T]:
        """Return, at the producer's end, the events that still wait here."""
        return []
