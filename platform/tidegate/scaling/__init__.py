"""How many consumers a queue should have: policies, and a simulator that replays traces under them. All of it is pure.

    policy = make_policy("deadline", min_consumers=1, max_consumers=40, target_latency=5, startup=1, tick=1)
    decision = policy.decide(now, seen)             # once a tick, of an Observation
    run = simulate(trace, policy, min_consumers=1, startup=1, tick=1)

The runtime's AutoScaler is the shell around it.
"""

from tidegate.scaling.choice import POLICIES, make_policy
from tidegate.scaling.comparison import Figures, figures, geometric_mean
from tidegate.scaling.deadline import PRESETS, DeadlinePolicy
from tidegate.scaling.ledger import Ledger, PoolNow, Work
from tidegate.scaling.limiter import Limiter
from tidegate.scaling.policy import BadPolicy, Decision, Observation, ScalingPolicy
from tidegate.scaling.rules import FixedPolicy, StepsPolicy
from tidegate.scaling.shares import Claimant, CpuCap, Grant, fit, share_out
from tidegate.scaling.simulation import Arrival, Moment, Run, lower_bound, simulate
from tidegate.scaling.synthetic import SHAPES, Shape
from tidegate.scaling.traces import BadTrace, Reading, read_trace

__all__ = [
    "POLICIES",
    "PRESETS",
    "SHAPES",
    "Arrival",
    "BadPolicy",
    "BadTrace",
    "Claimant",
    "CpuCap",
    "DeadlinePolicy",
    "Decision",
    "Figures",
    "FixedPolicy",
    "Grant",
    "Ledger",
    "Limiter",
    "Moment",
    "Observation",
    "PoolNow",
    "Reading",
    "Run",
    "ScalingPolicy",
    "Shape",
    "StepsPolicy",
    "Work",
    "figures",
    "fit",
    "geometric_mean",
    "lower_bound",
    "make_policy",
    "read_trace",
    "share_out",
    "simulate",
]
