"""What is allowed and probably not meant: sentences to print, never reasons to stop."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.settings.root import Settings

__all__ = ["warnings_for"]


def warnings_for(settings: Settings, batches: Mapping[str, tuple[str, int]]) -> tuple[str, ...]:
    """Return a warning for each batch handler whose batches its queue can never fill.

    `batches` has each kind with its queue and the batch size that it asks for. A consumer is handed at most `demand.max -
    demand.min` jobs at once. Raises UnknownQueue for a queue that is not declared.
    """
    warnings = []
    for kind, (name, batch) in batches.items():
        demand = settings.queue(name).demand
        room = demand.max - demand.min
        if room < batch:
            warnings.append(
                f"queues.{name}.demand: {kind} takes batches of up to {batch}, and max {demand.max} - min {demand.min} "
                f"lets no more than {room} through at once; set demand.max to {demand.min + batch}"
            )
    return tuple(warnings)
