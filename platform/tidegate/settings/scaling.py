"""What can be said about how many consumers a queue has: by which policy, for which target, and whether it acts."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from tidegate.settings.durations import Duration
from tidegate.settings.group import Frozen, Number, Whole
from tidegate.settings.words import did_you_mean, listed, shown

__all__ = ["POLICY_NAMES", "Scaling", "Steps"]

POLICY_NAMES: Final = ("deadline", "steps", "fixed")


def _policy(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"expected the name of a policy, got {shown(value)}")  # noqa: TRY004 - as every key's own error
    module, colon, function = value.partition(":")
    own = colon and function.isidentifier() and all(part.isidentifier() for part in module.split("."))
    if value not in POLICY_NAMES and not own:
        choose = f"choose {listed(POLICY_NAMES, 'or')}, or name your own as module:function"
        raise ValueError(f"unknown policy {shown(value)}{did_you_mean(value, POLICY_NAMES) or f'; {choose}'}")
    return value


PolicyName = Annotated[
    str, BeforeValidator(_policy), WithJsonSchema({"type": "string", "pattern": "^(deadline|steps|fixed|.+:.+)$"})
]


class Steps(Frozen):
    """The policy `steps`: so many consumers more or fewer by how many jobs are ready."""

    form: ClassVar[str] = "a mapping such as {many: 1000, many_add: 2, some: 100, some_add: 1, few: 10, few_remove: 1}"

    many: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 1000
    """With more jobs ready than this,"""
    many_add: Annotated[Whole, Field(ge=0, le=10_000)] = 2
    """so many consumers are added;"""
    some: Annotated[Whole, Field(ge=0, le=1_000_000_000)] = 100
    """with more than this,"""
    some_add: Annotated[Whole, Field(ge=0, le=10_000)] = 1
    """so many;"""
    few: Annotated[Whole, Field(ge=0, le=1_000_000_000)] = 10
    """with fewer than this,"""
    few_remove: Annotated[Whole, Field(ge=0, le=10_000)] = 1
    """so many are let go."""
    every: Duration = 0.0
    """No step is taken sooner after the one before; 0 for one at each tick."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.few <= self.some < self.many:
            raise ValueError(f"few {self.few}, some {self.some} and many {self.many} must go upwards")
        return self


class Scaling(Frozen):
    """How the number of consumers follows the work. `consumers` has its bounds; a fixed pool stays as it is."""

    form: ClassVar[str] = "a mapping such as {target_latency: 5, mode: act}"

    policy: PolicyName = "deadline"
    """deadline: as few consumers as keep the target; steps: by how many jobs are ready; fixed: always max; module:function: your
    own, called as `tidegate.scaling.make_policy` is, and returning an object with `decide(now, seen)`."""
    target_latency: Annotated[Duration, Field(gt=0)] = 5.0
    """95 of 100 jobs are to start within this time after they are due."""
    tick: Annotated[Duration, Field(ge=0.1, le=3600)] = 1.0
    """How often it is decided."""
    mode: Literal["act", "observe"] = "act"
    """observe: decide, write down and publish, and leave the pool at its max."""
    preset: Literal["economy", "balanced", "latency"] = "balanced"
    """How the policy deadline weighs consumers against waits."""
    cooldown: Duration = 60.0
    """Where min is 0: the last consumer goes when nothing was to be done for so long."""
    reserve: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    """The share of the host's memory that pools of processes leave free when they grow."""
    steps: Steps = Steps()
    """The thresholds of the policy steps."""
