"""What a child may have beyond the four verbs of `Child`, read where it is there and harmless where it is broken."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.supervision.child import Child

__all__ = ["KILL_GRACE", "alive", "describe", "grace", "stack"]

KILL_GRACE = 0.1  # seconds; a cancelled task needs a few turns of the loop, and what needs more does not mean to end


def grace(child: Child | None) -> float:
    """Return how long the end of `child` may take once it was killed."""
    return float(getattr(child, "kill_grace", KILL_GRACE))


def alive(owner: object) -> bool:
    """Tell whether `owner` runs, as far as it says; an owner that does not say is believed to."""
    return bool(getattr(owner, "alive", True))


def describe(child: Child | None) -> Mapping[str, object]:
    """Return what the child says about itself, if it says anything."""
    say = getattr(child, "describe", None)
    if say is None:
        return {}
    try:
        return dict(say())
    except Exception as error:  # noqa: BLE001 - the child is anybody's, and a picture of the tree must not fail with it
        return {"error": repr(error)}


def stack(child: Child) -> str:
    """Return where the child hangs, if it can say so."""
    say = getattr(child, "stack", None)
    if say is None:
        return ""
    try:
        return str(say())
    except Exception as error:  # noqa: BLE001 - as above
        return repr(error)
