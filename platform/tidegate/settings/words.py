"""How the settings' errors put values, paths and names into words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tidegate.errors import nearest

__all__ = ["Path", "did_you_mean", "dotted", "listed", "shown"]

Path = tuple[str | int, ...]
"""Where a value stands in the tree: keys, and places in lists."""

LONGEST: Final = 60  # characters of a value that an error repeats; more would bury the sentence


def shown(value: Any) -> str:
    """Return `value` as it would be recognised in the file, on one line and never long."""
    match value:
        case None:
            return "nothing"
        case bool() | int() | float():
            return json.dumps(value)
        case str():
            return json.dumps(value if len(value) <= LONGEST else value[:LONGEST] + "...", ensure_ascii=False)
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return type(value).__name__


def dotted(path: Path) -> str:
    """Return `path` as `queues.email.timeout`, places in lists as `jobs[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def listed(names: Iterable[str], joint: str = "and") -> str:
    """Return the names as `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} {joint} {last}" if most else last


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?`, or nothing where no known word is close."""
    close = nearest(word, known)
    return f"; did you mean {close[0]}?" if close else ""
