"""What programs call: enqueue, from async and from blocking code.

The names load lazily: who enqueues from blocking code pays neither for asyncio's client nor for SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.client.asynchronous import Tidegate
    from tidegate.client.blocking import BlockingTidegate

__all__ = ["BlockingTidegate", "Tidegate"]

_HOMES = {"BlockingTidegate": "blocking", "Tidegate": "asynchronous"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
