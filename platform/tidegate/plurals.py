"""How many of what, as people say it: every sentence with a number in it is put together here."""

from __future__ import annotations

__all__ = ["noun"]


def noun(number: int, one: str, many: str | None = None) -> str:
    """Return `1 job`, `2 jobs`; `many` where it takes more than an s: `1 job waits`, `2 jobs wait`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
