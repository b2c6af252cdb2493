"""Sameness as a round trip means it: equal, and of the same types all the way down.

`==` is too kind for that (`1 == True == 1.0`, a date's subclass equals the date) and too strict (NaN). `same` compares types first,
knows NaN and the sign of zero, and looks into containers, dataclasses and models. `same_but_promoted` lets one difference pass: an
int that became the float it was annotated as.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import deque
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final
from zoneinfo import ZoneInfo

__all__ = ["is_model", "same", "same_but_promoted"]

Number = Callable[[float], Any]
"""How an int or float is compared."""


def same(one: Any, other: Any) -> bool:
    """Say whether the two cannot be told apart by type or value."""
    return _equal(one, other, _exact_number, _exact_number)


def same_but_promoted(came_back: Any, given: Any) -> bool:
    """Say whether the two are the same, where a given int may have become the float that equals it; never the other way round."""
    return _equal(came_back, given, _Number, _Promotable)


def _equal(one: Any, other: Any, of_one: Number, of_other: Number) -> bool:
    try:
        return bool(_token(one, of_one) == _token(other, of_other))
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - a user's __eq__ and __hash__ may do anything; what cannot be compared is not the same
        return False


def is_model(cls: Any) -> bool:
    """Say whether `cls` is a pydantic model, without importing pydantic: where it is not imported, nothing is a model."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def _token(value: Any, number: Number) -> Any:
    """Return something whose == is the sameness of `value`, hashable where `value` is."""
    cls = type(value)
    if cls in _PLAIN:
        return (cls, value)
    if cls is int or cls is float:
        return number(value)
    if isinstance(value, Enum):
        return (cls, value.name, _token(value.value, number))
    if isinstance(value, float | Decimal):
        return (cls, repr(value))
    if isinstance(value, datetime | time):
        return (cls, value.replace(tzinfo=None, fold=0), value.fold, _zone(value))
    if isinstance(value, list | tuple | deque):
        return (cls, getattr(value, "maxlen", None), tuple(_token(each, number) for each in value))
    if isinstance(value, set | frozenset):
        return (cls, len(value), frozenset(_token(each, number) for each in value))
    if isinstance(value, dict):
        factory = getattr(value, "default_factory", None)
        return (cls, factory, tuple((_token(key, number), _token(each, number)) for key, each in value.items()))
    if dataclasses.is_dataclass(value):
        return (cls, tuple(_token(getattr(value, field.name, _MISSING), number) for field in dataclasses.fields(value)))
    if is_model(cls):
        fields = tuple(_token(vars(value).get(name, _MISSING), number) for name in cls.model_fields)
        return (cls, fields, _token(value.__pydantic_extra__, number), _token(value.__pydantic_private__, number))
    return (cls, value)


def _exact_number(value: float) -> Any:
    return (type(value), repr(value) if type(value) is float else value)


class _Number:
    """A number by its type and its digits; equal numbers of both types share a hash, so that sets of them can be compared."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def __hash__(self) -> int:
        return 0 if math.isnan(self.value) else hash(self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Promotable) and not isinstance(self, _Promotable):
            return other == self
        return isinstance(other, _Number) and _exact_number(self.value) == _exact_number(other.value)


class _Promotable(_Number):
    """A number as it was given: an int equals the float that it may have become."""

    __slots__ = ()

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Number):
            return False
        mine, theirs = self.value, other.value
        if type(mine) is int and type(theirs) is float:
            return mine == theirs and repr(theirs) != "-0.0"
        return bool(_exact_number(mine) == _exact_number(theirs))


def _zone(value: datetime | time) -> Any:
    return value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else value.utcoffset()


_PLAIN: Final = frozenset({NoneType, bool, str, bytes})
_MISSING: Final = ...
