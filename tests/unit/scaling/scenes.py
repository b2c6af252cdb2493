"""What the tests of scaling share: observations with the parts that matter, a queue on paper, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tidegate.scaling import Arrival, Decision, Observation, Run, ScalingPolicy, make_policy, simulate
from tidegate.scaling.synthetic import lognormal, poisson

CALM = Observation(
    dt=1.0,
    ready=0,
    arrived=0,
    completed=0,
    service_sum=0.0,
    service_sum_sq=0.0,
    service_sum_log=0.0,
    busy=0,
    alive=1,
    starting=0,
    target=1,
    min_idle=1,
    oldest_age=0.0,
)


def seen(service: float = 1.0, **parts: Any) -> Observation:
    """An observation in which each completed job took `service` seconds."""
    completed = parts.get("completed", 0)
    sums = {
        "service_sum": completed * service,
        "service_sum_sq": completed * service**2,
        "service_sum_log": completed * math.log(service),
    }
    return replace(CALM, **{**sums, **parts})


def deadline(**changes: Any) -> ScalingPolicy:
    arguments: dict[str, Any] = {"min_consumers": 1, "max_consumers": 40, "target_latency": 5.0, "startup": 1.0, "tick": 1.0}
    return make_policy("deadline", **{**arguments, **changes})


class Watched:
    """A policy whose observations and decisions are kept."""

    def __init__(self, policy: ScalingPolicy) -> None:
        self.policy = policy
        self.seen: list[Observation] = []
        self.said: list[Decision] = []

    def decide(self, now: float, observation: Observation) -> Decision:
        self.seen.append(observation)
        self.said.append(self.policy.decide(now, observation))
        return self.said[-1]


def load(
    rate: Callable[[float], float],
    top: float,
    seconds: float,
    service: Callable[[float], float] | float,
    *,
    variation: float = 1.0,
    seed: int = 1,
) -> list[Arrival]:
    rng = Random(seed)
    mean = service if callable(service) else lambda _at: service
    return [Arrival(at, lognormal(mean(at), variation, rng)) for at in poisson(rate, top, seconds, rng)]


def replay(trace: Sequence[Arrival], policy: ScalingPolicy, **changes: Any) -> Run:
    arguments: dict[str, Any] = {"min_consumers": 1, "startup": 1.0, "tick": 1.0}
    return simulate(trace, policy, **{**arguments, **changes})


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
