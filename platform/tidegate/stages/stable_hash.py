"""A hash that is the same in every process, on every machine and in every release: what partitions may be chosen by.

The built-in `hash` of strings differs from process to process. Here a value is written down in one canonical way, and that is
hashed.
Values that compare equal hash alike: 1, 1.0, True and Decimal(1) do, and so do a list and a tuple of the same things.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import blake2b
from typing import Any
from uuid import UUID

__all__ = ["canonical", "stable_hash"]


def stable_hash(value: object) -> int:
    """Return a number from 0 to 2**64 - 1 that depends on nothing but `value`."""
    return int.from_bytes(blake2b(canonical(value), digest_size=8).digest(), "big")


def canonical(value: object) -> bytes:
    """Write `value` down so that equal values read alike; raise TypeError for what has no canonical form."""
    kind, body = _parts(value)
    return b"%c%d:%s" % (kind.encode(), len(body), body)


def _parts(value: Any) -> tuple[str, bytes]:
    match value:
        case str():
            return "s", value.encode("utf-8", "surrogatepass")
        case int() | float() | Decimal() | Fraction():
            return "n", _number(value)
        case None:
            return "z", b""
        case bytes() | bytearray() | memoryview():
            return "b", bytes(value)
        case UUID():
            return "u", value.bytes
        case Enum():
            return "e", _named(value, value.name)
        case datetime() if value.tzinfo is not None:
            return "t", value.astimezone(UTC).isoformat().encode()
        case date() | time():
            return "t", value.isoformat().encode()
        case timedelta():
            return "i", _number(value // timedelta(microseconds=1))
        case Mapping():
            return "m", b"".join(sorted(canonical(key) + canonical(item) for key, item in value.items()))
        case AbstractSet():
            return "S", b"".join(sorted(map(canonical, value)))
        case Sequence():
            return "l", b"".join(map(canonical, value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            return "c", _named(value, *(getattr(value, field.name) for field in fields(value) if field.compare))
    raise TypeError(f"{type(value).__qualname__} has no stable hash; give the dispatcher a key= that returns plain data")


def _number(value: float | Decimal | Fraction) -> bytes:
    if isinstance(value, int):
        return b"%d/1" % value
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - only a NaN differs from itself
        return str(float(value)).encode()
    exact = Fraction(value)
    return b"%d/%d" % (exact.numerator, exact.denominator)


def _named(value: object, *parts: object) -> bytes:
    kind = type(value)
    return b"".join(map(canonical, (f"{kind.__module__}.{kind.__qualname__}", *parts)))
