"""The values that labels may take, kept few: each one is a time series, and a scrape's cost is their number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["KINDS", "LONGEST", "NOBODY", "OTHER", "STRANGERS", "Kinds", "Queues", "child_label", "short"]

KINDS: Final = 200
STRANGERS: Final = 20
OTHER: Final = "other"
NOBODY: Final = "none"
LONGEST: Final = 200  # characters of a name; a histogram repeats it for each of its buckets

_NUMBERED: Final = re.compile(r"\.(consumer|process)-\d+$")


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
        self[kind] = label = short(kind)
        return label


class Queues(Kinds):
    """Maps a queue to its label: itself for every declared one, and for a few others that have jobs; `other` beyond."""

    def __init__(self, declared: Iterable[str]) -> None:
        declared = list(declared)
        super().__init__(declared, limit=len(declared) + STRANGERS)


def short(name: str) -> str:
    """Return a name as a label may have it: of bounded length, and such that it can be written."""
    cut = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return cut.encode("utf-8", "backslashreplace").decode()


def child_label(child: str) -> str:
    """Return a supervised part's name without its number: consumers come and go, and each would be a series of its own."""
    return _NUMBERED.sub(r".\1", short(child))
