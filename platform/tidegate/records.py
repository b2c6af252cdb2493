"""Records: data that is made anew for every job, frozen to whoever writes code, at the price of plain data.

To a type checker a record is a frozen dataclass, and mypy holds all of Tidegate to that. Nothing checks it again while jobs run: a
frozen dataclass sets each field by a call of its own, which costs ten times as much (3 us for the 17 fields of an `Ack`) and was a
fifth of what a no-op job costs its node. Equality, hash, `replace` and `match` are those of a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, slots: bool) -> object:
        """Make a dataclass whose instances are not to be assigned to; for what is made for every job."""
        return dataclass(slots=slots, unsafe_hash=frozen)
