"""The shapes of load that a policy must stand, made by chance that is handed in.

Eight of them: each is a rate over time and a distribution of service times, for an hour unless said otherwise, at 3 to 5 consumers'
worth of load on average and far more at times. `batches` asks for more than 40 consumers can do, whoever decides; `knee` runs on a
downstream that chokes, which is what `slowdown` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tidegate.scaling.simulation import Arrival

__all__ = ["SHAPES", "Shape", "lognormal", "poisson"]

HOUR: Final = 3_600.0

Rate = Callable[[float], float]


def lognormal(mean: float, variation: float, rng: Random) -> float:
    """Return a service time of the lognormal distribution with this mean and squared coefficient of variation."""
    sigma2 = math.log1p(variation)
    return rng.lognormvariate(math.log(mean) - sigma2 / 2, math.sqrt(sigma2)) if sigma2 else mean


def poisson(rate: Rate, top: float, seconds: float, rng: Random) -> Iterator[float]:
    """Yield the times of a Poisson process whose rate is a function of time, nowhere above `top`."""
    at = rng.expovariate(top)
    while at < seconds:
        if rng.random() * top < rate(at):
            yield at
        at += rng.expovariate(top)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of load. `rates` makes the rate over time, by chance or without it."""

    name: str
    rates: Callable[[float, Random], Rate]
    top: float
    """Jobs a second, never exceeded."""
    service: Callable[[float], float]
    """The mean service time at a share (0 to 1) of the trace."""
    variation: float = 1.0
    slowdown: Callable[[int], float] | None = None
    attainable: bool = True
    """Whether 40 consumers could keep the waits below 5 s at all."""

    def trace(self, rng: Random, *, seconds: float = HOUR) -> list[Arrival]:
        """Return a trace of this shape."""
        rate = self.rates(seconds, rng)
        times = poisson(rate, self.top, seconds, rng)
        return [Arrival(at, lognormal(self.service(at / seconds), self.variation, rng)) for at in times]


def _always(rate: float) -> Callable[[float, Random], Rate]:
    return lambda _seconds, _rng: lambda _at: rate


def _waves(low: float, high: float, period: float, share: float = 0.5) -> Callable[[float, Random], Rate]:
    """High for a share of each period, low for the rest."""
    return lambda _seconds, _rng: lambda at: high if at % period < share * period else low


def _tide(middle: float, height: float, period: float) -> Callable[[float, Random], Rate]:
    return lambda _seconds, _rng: lambda at: middle - height * math.cos(2 * math.pi * at / period)


def _flashes(low: float, high: float, apart: float, length: float) -> Callable[[float, Random], Rate]:
    """Now and then, when nobody expects it, a crowd."""

    def rates(seconds: float, rng: Random) -> Rate:
        starts, at = [], rng.expovariate(1 / apart)
        while at < seconds:
            starts.append(at)
            at += length + rng.expovariate(1 / apart)
        return lambda at: high if any(start <= at < start + length for start in starts) else low

    return rates


def _constant(mean: float) -> Callable[[float], float]:
    return lambda _share: mean


def _heavier_in_between(mean: float, factor: float) -> Callable[[float], float]:
    return lambda share: mean * factor if 1 / 3 <= share < 2 / 3 else mean


SHAPES: Final[Mapping[str, Shape]] = {
    shape.name: shape
    for shape in (
        Shape("steady", _always(8.0), 8.0, _constant(0.5)),
        Shape("step", _waves(2.0, 20.0, 900.0), 20.0, _constant(0.4)),
        Shape("tide", _tide(9.0, 8.0, 600.0), 17.0, _constant(0.45)),
        Shape("on-off", _waves(0.5, 24.0, 60.0, share=0.25), 24.0, _constant(0.6)),
        Shape("flashes", _flashes(4.0, 40.0, 150.0, 8.0), 40.0, _constant(0.5)),
        Shape("mix", _always(6.0), 6.0, _heavier_in_between(0.3, 3.0)),
        Shape("batches", _waves(0.0, 1000.0, 60.0, share=1 / 120), 1000.0, _constant(0.5), attainable=False),
        Shape(
            "knee",
            _waves(6.0, 14.0, 600.0, share=1 / 3),
            14.0,
            _constant(0.5),
            slowdown=lambda busy: max(1.0, busy / 6) ** 1.5,
            attainable=False,
        ),
    )
}
"""The shapes by name."""
