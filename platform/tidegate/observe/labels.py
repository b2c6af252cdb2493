"""The values that labels may take, kept few: each one is a time series, and a scrape's cost is their number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["KINDS", "NOBODY", "OTHER", "STRANGERS", "Kinds", "child_label"]

KINDS: Final = 200
STRANGERS: Final = 20
OTHER: Final = "other"
NOBODY: Final = "none"

_NUMBERED: Final = re.compile(r"\.consumer-\d+$")


class Kinds(dict[str, str]):
    """Maps a kind to its label: itself for the first `limit` ones, `other` beyond.

    Kinds that are not `known` (they come out of the table, where anybody may have written them) get `strangers` places at most, so
    that they cannot crowd out the ones that this node runs. A look-up of a kind that was seen before costs one look into a dict.
    """

    def __init__(self, known: Iterable[str] | None = None, *, limit: int = KINDS, strangers: int = STRANGERS) -> None:
        super().__init__()
        self._known = None if known is None else frozenset(known)
        self._limit = limit
        self._strangers = strangers

    def __missing__(self, kind: str) -> str:
        if len(self) >= self._limit:
            return OTHER
        if self._known is not None and kind not in self._known:
            if self._strangers <= 0:
                return OTHER
            self._strangers -= 1
        self[kind] = kind
        return kind


def child_label(child: str) -> str:
    """Return a supervised part's name without its number: consumers come and go, and each would be a series of its own."""
    return _NUMBERED.sub(".consumer", child)
