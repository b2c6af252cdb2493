"""From a name and numbers to a policy, or to an error that says what cannot be."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from tidegate.errors import nearest
from tidegate.scaling.deadline import PRESETS, DeadlinePolicy
from tidegate.scaling.policy import BadPolicy, ScalingPolicy
from tidegate.scaling.rules import FixedPolicy, StepsPolicy

__all__ = ["POLICIES", "make_policy"]


def make_policy(
    name: str, *, min_consumers: int, max_consumers: int, target_latency: float, startup: float, tick: float, **options: Any
) -> ScalingPolicy:
    """Return a fresh policy: `deadline`, `steps`, `fixed`, or what a user's own `module:function` returns for the same arguments.

    Raises BadPolicy for a name, a number or an option that cannot be.
    """
    _check_bounds(min_consumers, max_consumers)
    _check_number("target_latency", target_latency, above=0.0)
    _check_number("startup", startup, least=0.0)
    _check_number("tick", tick, above=0.0)
    bounds = {"min_consumers": min_consumers, "max_consumers": max_consumers}
    times = {"target_latency": target_latency, "startup": startup, "tick": tick}
    if ":" in name:
        return _own(name, {**bounds, **times, **options})
    if name not in POLICIES:
        close = nearest(name, POLICIES)
        raise BadPolicy(
            f"there is no scaling policy {name!r}{f'; did you mean {close[0]!r}?' if close else ''}",
            hint=f"policies: {', '.join(POLICIES)}, or your own as module:function",
        )
    make, check = POLICIES[name]
    known = [key for key in inspect.signature(make).parameters if key not in {*bounds, *times}]
    for key in options:
        if key not in known:
            close = nearest(key, known)
            raise BadPolicy(
                f"the scaling policy {name} has no option {key!r}{f'; did you mean {close[0]!r}?' if close else ''}",
                hint=f"its options: {', '.join(known)}",
            )
    check(options)
    wanted = inspect.signature(make).parameters
    policy: ScalingPolicy = make(**bounds, **{key: value for key, value in times.items() if key in wanted}, **options)
    return policy


def _own(place: str, arguments: Mapping[str, Any]) -> ScalingPolicy:
    module, _, attribute = place.partition(":")
    try:
        make = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadPolicy(f"the scaling policy {place} cannot be loaded: {error}", hint="write it as module:function") from error
    try:
        policy: ScalingPolicy = make(**arguments)
    except TypeError as error:
        raise BadPolicy(f"the scaling policy {place} cannot be made: {error}") from error
    if not callable(getattr(policy, "decide", None)):
        raise BadPolicy(
            f"the scaling policy {place} returned {type(policy).__name__}, which has no method decide",
            hint="return an object with decide(now, seen), see tidegate.scaling.ScalingPolicy",
        )
    return policy


def _check_bounds(least: Any, most: Any) -> None:
    for name, value in (("min_consumers", least), ("max_consumers", most)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadPolicy(f"{name} is a whole number; got {value!r}")
    if least < 0 or most < 1:
        raise BadPolicy(f"min_consumers must be at least 0 and max_consumers at least 1; got {least} and {most}")
    if least > most:
        raise BadPolicy(f"min_consumers {least} is above max_consumers {most}")


def _check_number(name: str, value: Any, *, least: float = -math.inf, above: float = -math.inf, most: float = math.inf) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise BadPolicy(f"{name} is a finite number; got {value!r}")
    if not (least <= value <= most and value > above):
        bounds = f"more than {above:g}" if above > -math.inf else f"at least {least:g}"
        raise BadPolicy(f"{name} must be {bounds}{f' and at most {most:g}' if most < math.inf else ''}; got {value:g}")


def _check_deadline(options: Mapping[str, Any]) -> None:
    preset = options.get("preset", "balanced")
    if preset not in PRESETS:
        close = nearest(str(preset), PRESETS)
        did_you_mean = f"; did you mean {close[0]!r}?" if close else ""
        raise BadPolicy(f"there is no preset {preset!r}{did_you_mean}", hint=f"presets: {', '.join(PRESETS)}")
    if options.get("theta") is not None:
        _check_number("theta", options["theta"], above=0.0, most=1.0)
    for name in ("hold", "cooldown"):
        if options.get(name) is not None:
            _check_number(name, options[name], least=0.0)
    if not isinstance(options.get("limiter", True), bool):
        raise BadPolicy(f"limiter is true or false; got {options['limiter']!r}")


def _check_steps(options: Mapping[str, Any]) -> None:
    for name in ("below", "down", "every"):
        if name in options:
            _check_number(name, options[name], least=0.0)
    try:
        steps = dict(options.get("up", {}))
    except (TypeError, ValueError):
        steps = {None: None}
    for threshold, more in steps.items():
        if not all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in (threshold, more)):
            raise BadPolicy("up maps depths to how many consumers more, such as {1000: 2, 100: 1}")


def _check_fixed(options: Mapping[str, Any]) -> None:
    size = options.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise BadPolicy(f"size is a whole number, 0 or more; got {size!r}")


POLICIES: Final[Mapping[str, tuple[Callable[..., Any], Callable[[Mapping[str, Any]], None]]]] = {
    "deadline": (DeadlinePolicy, _check_deadline),
    "steps": (StepsPolicy, _check_steps),
    "fixed": (FixedPolicy, _check_fixed),
}
"""Name -> what makes the policy, and what looks at its options first."""
