"""What the shop's customers do in a demo: first a plan, decided by chance that is handed in, then the thin shell that keeps to it.

The rate rises and falls like the tide. Of the jobs about 60% are letters, 38% departures, and a few are trainings, on average
never more than one in three seconds since each takes a while. A customer's number decides what their mail server makes of a
letter (`customers`): about 3 in 100 jobs fail once and then succeed, a few die. One job in 25 is ordered for some seconds later.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from itertools import count, groupby
from random import Random
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from tidegate.demo.departures import Departure
from tidegate.demo.jobs import aggregate_departures, read_scan, send_receipt, send_welcome_email, train_model
from tidegate.handlers import Call

__all__ = ["Client", "Planned", "feed", "pause", "plan", "tide"]

TICK: Final = 0.1  # seconds; what falls due within it is enqueued together
PERIOD: Final = 30.0  # seconds from high water to high water where a run has no end
LETTERS: Final = 0.60
TRAININGS: Final = 0.02
TRAININGS_A_SECOND: Final = 1 / 3
LATER: Final = 0.04
CRASH_AT: Final = 0.2  # of the run: there is time to see it tried again
_LOCALES: Final = ("en", "de", "fr")


class Planned(NamedTuple):
    """A call, and the second of the run at which it is made."""

    at: float
    queue: str
    call: Call


class Client(Protocol):
    """What feeding needs of a client."""

    async def enqueue_many(self, calls: Sequence[Call], /) -> Sequence[int]:
        """Enqueue the calls, all or none, and return their ids in the same order."""
        ...


def plan(rate: float, seconds: float, rng: Random, flights: Iterator[Departure], *, crash: bool = False) -> Iterator[Planned]:
    """Yield what is to be enqueued, in order of time: about `rate` a second for `seconds`, without end where that is 0.

    With `crash` one job is among them that takes its process with it; only for a queue whose jobs have one of their own.
    """
    customers = count(rng.randrange(1, 1_000_000))
    trainings = min(TRAININGS, TRAININGS_A_SECOND / rate)
    for at in _arrivals(rate, seconds, rng):
        drawn = rng.random()
        if crash and at >= CRASH_AT * (seconds or PERIOD):
            queue, call, crash = "ml", read_scan.call(page=rng.randint(1, 500), broken_off=True), False
        elif drawn < LETTERS:
            queue, call = "email", _letter(next(customers), rng)
        elif drawn < LETTERS + trainings:
            queue, call = "ml", train_model.call(depth=rng.randint(2, 14), seed=rng.randint(1, 3))
        else:
            queue, call = "analytics", aggregate_departures.call(**asdict(next(flights)))
        later = rng.uniform(2, 5) if rng.random() < LATER else None
        yield Planned(at, queue, call.options(delay=later))


def tide(at: float, period: float) -> float:
    """Return how high the water stands at second `at`: 0.4 to 1.6, 1 on average over a period, low at its ends."""
    return 1 - 0.6 * math.cos(2 * math.pi * at / period)


async def feed(
    client: Client, planned: Iterator[Planned], *, stop: asyncio.Event, sent: Callable[[Sequence[Planned], Sequence[int]], None]
) -> None:
    """Enqueue each call when its time has come, until the plan or the patience ends; tell `sent` what got which ids."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for tick, due in groupby(planned, key=lambda each: math.floor(each.at / TICK)):
        batch = list(due)
        if await pause(began + (tick + 1) * TICK - loop.time(), stop):
            return
        sent(batch, await client.enqueue_many([each.call for each in batch]))


async def pause(seconds: float, stop: asyncio.Event) -> bool:
    """Wait so long, or until `stop` is set; return whether it is."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            return await stop.wait()
    except TimeoutError:
        return stop.is_set()


def _arrivals(rate: float, seconds: float, rng: Random) -> Iterator[float]:
    at = 0.0
    while True:
        at += rng.expovariate(rate * tide(at, seconds or PERIOD))
        if seconds and at >= seconds:
            return
        yield at


def _letter(user_id: int, rng: Random) -> Call:
    locale = rng.choice(_LOCALES)
    if rng.random() < 0.5:
        return send_welcome_email.call(user_id=user_id, locale=locale)
    order_id, total = UUID(int=rng.getrandbits(128), version=4), Decimal(rng.randint(199, 249_999)) / 100
    return send_receipt.call(order_id=order_id, user_id=user_id, total=total, locale=locale)
