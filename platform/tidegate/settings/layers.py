"""One source of settings as the others see it: its values, and where each of them was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.settings.problems import Place
from tidegate.settings.words import Path

__all__ = ["Layer", "holder"]


@dataclass(slots=True)
class Layer:
    """The values of one source, and the places of its keys and of its values."""

    values: dict[str, Any]
    keys: dict[Path, Place]
    places: dict[Path, Place]

    def holds(self, path: Path) -> bool:
        """Tell whether this source says something at `path`."""
        at: Any = self.values
        for part in path:
            if isinstance(at, str):
                return False  # it has characters, and no keys
            try:
                at = at[part]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Return where `path` was written: itself, else the nearest group around it, else the first key in it."""
        if of_key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        inside = (place for key, place in self.places.items() if key[: len(path)] == path)
        return next(inside, Place("settings"))

    def put(self, path: Path, value: Any, place: Place) -> None:
        """Set `path`, making the groups around it; what stands there as no group is left to be refused as it is."""
        at = self.values
        for part in path[:-1]:
            at = at.setdefault(str(part), {})
            if not isinstance(at, dict):
                return
        at[str(path[-1])] = value
        self.places[path] = place

    def drop(self, path: Path) -> None:
        """Remove what stands at `path`, in place, so that the rest can be judged without it."""
        at: Any = self.values
        for part in path[:-1]:
            at = at[part]
        if isinstance(at, dict):
            at.pop(path[-1], None)
        elif isinstance(at, list):
            at.clear()  # the places of the others in the list would shift


def holder(layers: Sequence[Layer], path: Path) -> Layer | None:
    """Return the source whose word counts at `path`: the first that says something there."""
    return next((layer for layer in layers if layer.holds(path)), None)
