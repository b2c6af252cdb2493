"""How values are written for people. What is not known, or not applicable, is a dash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["NOTHING", "called", "count", "moment", "span", "value"]

NOTHING: Final = "-"


def count(number: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return NOTHING if number is None else f"{number:,}"


def moment(at: datetime | None) -> str:
    """Return a time to the second, in UTC."""
    return NOTHING if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def span(seconds: float | None) -> str:
    """Return a duration with the two units that matter: 95 ms, 2.1 s, 3m10s, 2h14m, 1d3h."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size}{unit}{f'{rest}{smaller}' if rest else ''}"
    return f"{whole} s"


def value(anything: Any) -> str:
    """Return a JSON value on one line, as people write it."""
    return NOTHING if anything is None else json.dumps(anything, ensure_ascii=False)


def called(args: Any, kwargs: Any, *, stored: Any, meta: Any) -> Iterator[tuple[str, str]]:
    """Yield what a job was called with, by name; `stored` where that is not the form that Tidegate stores (`args` is None)."""
    if args is None:
        yield "stored", value(stored)
    else:
        yield "args", value(args)
        yield "kwargs", value(kwargs)
    if meta:
        yield "meta", value(meta)
