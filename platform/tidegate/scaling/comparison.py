"""Several policies on one trace, side by side: the figures that decide between them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tidegate.scaling.simulation import Run

__all__ = ["Figures", "figures", "geometric_mean"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a trace under one policy; seconds, and shares from 0 to 1."""

    policy: str
    jobs: int
    p50: float
    p95: float
    p99: float
    over: float
    """The share of jobs that waited longer than the target."""
    consumer_seconds: float
    lower_bound: float
    cost: float
    """Consumer-seconds over the lower bound."""
    events: int
    peak: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return them as a JSON object."""
        return {
            "policy": self.policy,
            "jobs": self.jobs,
            "wait": {"p50": round(self.p50, 4), "p95": round(self.p95, 4), "p99": round(self.p99, 4)},
            "over_target": round(self.over, 6),
            "consumer_seconds": round(self.consumer_seconds, 3),
            "lower_bound": round(self.lower_bound, 3),
            "cost": round(self.cost, 4),
            "events": self.events,
            "peak": self.peak,
            "seconds": round(self.seconds, 3),
        }


def figures(policy: str, run: Run, *, target_latency: float) -> Figures:
    """Sum a run up."""
    return Figures(
        policy=policy,
        jobs=len(run.waits),
        p50=run.wait(0.50),
        p95=run.wait(0.95),
        p99=run.wait(0.99),
        over=run.over(target_latency),
        consumer_seconds=run.consumer_seconds,
        lower_bound=run.lower_bound,
        cost=run.cost,
        events=run.events,
        peak=run.peak,
        seconds=run.seconds,
    )


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean, 1 of nothing."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0
