"""How much to ask for and when: the arithmetic of automatic demand, free of any I/O.

A consumer asks `max_demand` when it subscribes. What arrives is cut into batches of at most `max_demand - min_demand`; whenever the
demand that is left has sunk to `min_demand`, the consumer fills it up to `max_demand` again. So a consumer never has more than
`max_demand` events that it asked for and has not handled.
"""

from __future__ import annotations

from tidegate.stages.errors import BadOption

__all__ = ["check_integer", "split_batches"]


def split_batches(n_arrived: int, demand: int, *, max_demand: int, min_demand: int) -> tuple[list[tuple[int, int]], int, int]:
    """Cut `n_arrived` events into batches; return [(size, ask after it or 0), ...], the demand left and the events in excess.

    Events beyond `demand` were never asked for: they are cut and handled like the others, but they pay for nothing (G23).
    """
    step = max_demand - min_demand
    batches: list[tuple[int, int]] = []
    asked, left, rest = demand, demand, n_arrived
    while rest > 0:
        size = min(step, rest)
        rest -= size
        paid = min(size, asked)
        asked -= paid
        left -= paid
        if left <= min_demand:
            batches.append((size, max_demand - left))
            left = max_demand
        else:
            batches.append((size, 0))
    return batches, left, max(n_arrived - demand, 0)


def check_integer(option: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return `value` if it is an integer from `low` to `high`; raise a BadOption that names option and value if not."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadOption(option, value, "an integer")
    if value < low:
        raise BadOption(option, value, f"equal to or greater than {low}")
    if high is not None and value > high:
        raise BadOption(option, value, f"equal to or less than {high}")
    return value
