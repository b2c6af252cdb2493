"""The vocabulary of a subscription: who gets events from whom, how many at a time, and what happens when one of the two ends."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from tidegate.stages.demand import check_integer
from tidegate.stages.errors import BadOption
from tidegate.supervision.exits import Shutdown

__all__ = ["DRAINED", "Cancel", "Demand", "Keep", "Source", "StageRef", "SubRef", "Subscription", "Why", "label"]

T_co = TypeVar("T_co", covariant=True)

DRAINED: Final = Shutdown("drained")
"""The reason with which a producer that was drained ends its subscriptions; nobody subscribes again after it."""


class Cancel(StrEnum):
    """What a consumer does when a subscription of its ends (G60)."""

    PERMANENT = "permanent"
    """It ends too, with the same reason."""
    TRANSIENT = "transient"
    """It ends too if the reason is a failure."""
    TEMPORARY = "temporary"
    """It lives on."""


class Demand(StrEnum):
    """What a producer does with demand: serve it, or note it down until everybody is wired up (G34)."""

    FORWARD = "forward"
    ACCUMULATE = "accumulate"


class Keep(StrEnum):
    """Which events a full buffer keeps (G40)."""

    FIRST = "first"
    LAST = "last"


class Why(StrEnum):
    """Why an event comes back to its producer instead of being handled."""

    OVERFLOW = "overflow"
    """The producer's buffer was full."""
    CANCELLED = "cancelled"
    """It was on its way to a subscription that ended."""
    CONSUMER_GONE = "consumer_gone"
    """It had reached a consumer that stopped or crashed before it looked at it."""
    INTERRUPTED = "interrupted"
    """A consumer stopped or crashed while it was handling it; it may have had effects."""
    PRODUCER_GONE = "producer_gone"
    """The producer stopped or crashed before any consumer took it."""


class Source(Protocol[T_co]):
    """Where events of one type come from; every Producer is one."""

    async def handle_demand(self, demand: int, /) -> Sequence[T_co]:
        """Produce up to `demand` events."""
        ...


StageRef: TypeAlias = Source[T_co] | str
"""A producer, or the name that one is registered under. The type of a name's events is not known to a type checker."""


@dataclass(frozen=True, slots=True)
class Subscription(Generic[T_co]):
    """What a consumer wants from one producer. Numbers that cannot hold are refused here, before anything runs (G12).

    At most `max_demand` events are asked for and not yet handled; more are asked for when the open demand sinks to `min_demand`
    (None: half of max). `manual` leaves the asking to the consumer. `partition` and `selector` are for the producer's dispatcher.
    With `resubscribe` a consumer that outlives its producer subscribes again after so many seconds, and again until it succeeds.
    """

    to: StageRef[T_co]
    max_demand: int = 1000
    min_demand: int | None = None
    cancel: Cancel = Cancel.PERMANENT
    manual: bool = False
    partition: Hashable | None = None
    selector: Callable[[Any], bool] | None = None
    resubscribe: float | None = None

    def __post_init__(self) -> None:
        check_integer("max_demand", self.max_demand, low=1)
        if self.min_demand is not None:
            check_integer("min_demand", self.min_demand, low=0, high=self.max_demand - 1)
        if self.cancel not in tuple(Cancel):
            raise BadOption("cancel", self.cancel, f"one of {', '.join(Cancel)}")
        if self.resubscribe is not None and self.resubscribe < 0:
            raise BadOption("resubscribe", self.resubscribe, "None or a number of seconds that is not negative")

    @property
    def low_water(self) -> int:
        """The open demand at which more is asked for: `min_demand`, or half of `max_demand`."""
        return self.max_demand // 2 if self.min_demand is None else self.min_demand


def _lost(events: Sequence[Any], why: Why) -> None:
    """Take back nothing: a reference without a producer stands for no events."""


class SubRef:
    """One subscription that was made: its identity is the tag that both sides know it by.

    `undelivered` is the producer's callback as it was at subscription. It needs neither stage to be alive, so events that are
    stranded by a crash of both still find their way home.
    """

    __slots__ = ("consumer", "options", "producer", "undelivered")

    def __init__(
        self,
        consumer: Any = None,
        producer: Any = None,
        options: Subscription[Any] | None = None,
        undelivered: Callable[[Sequence[Any], Why], None] = _lost,
    ) -> None:
        self.consumer = consumer
        self.producer = producer
        self.options = options
        self.undelivered = undelivered

    def __repr__(self) -> str:
        return f"<SubRef {label(self.consumer)} to {label(self.producer)}>"


def label(stage: Any) -> str:
    """Return what to call `stage` in a line of text: its name, or its class where it has none."""
    return stage if isinstance(stage, str) else str(getattr(stage, "name", None) or type(stage).__name__)
