"""Keys that are promised for later versions. They are refused by name, never accepted and ignored.

When a capability arrives its row leaves this table and its field enters the model; a test holds the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.settings.words import Path

__all__ = ["EXECUTORS", "QUEUE", "TOP", "absent"]

TOP: Final[Mapping[str, str]] = {}
"""Top-level key -> the capability it belongs to."""

QUEUE: Final[Mapping[str, str]] = {}
"""Key of a queue, and of `defaults`, -> the capability it belongs to."""

EXECUTORS: Final[Mapping[str, str]] = {
    "ray": "Ray as an executor",
}
"""Value of `executor` -> the capability it belongs to."""


def absent(path: Path) -> str | None:
    """Return the sentence for a key that a later version brings; None for any other."""
    match path:
        case (str(key), *_) if key in TOP:
            what = TOP[key]
        case ("defaults", str(key), *_) | ("queues", _, str(key), *_) if key in QUEUE:
            what = QUEUE[key]
        case _:
            return None
    return f"does not exist in this version ({what}); leave it out"
