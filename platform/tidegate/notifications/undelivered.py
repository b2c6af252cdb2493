"""What a try that went wrong says."""

from __future__ import annotations

__all__ = ["Undelivered"]


class Undelivered(Exception):
    """The other end has not taken it. `retry_after`: it asked to be left alone for so many seconds."""

    def __init__(self, why: str, *, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after
