"""Sameness as a round trip means it: equal, and of the same types all the way down.

`==` is too kind for that (`1 == True == 1.0`, a date's subclass equals the date) and too strict (NaN). `same` compares types first,
knows NaN and the sign of zero, and looks into containers, dataclasses and models.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["is_model", "same"]

_PLAIN = frozenset({NoneType, bool, int, str, bytes})


def same(one: Any, other: Any) -> bool:
    """Say whether the two cannot be told apart by type or value."""
    try:
        return bool(_token(one) == _token(other))
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - a user's __eq__ and __hash__ may do anything; what cannot be compared is not the same
        return False


def is_model(cls: Any) -> bool:
    """Say whether `cls` is a pydantic model, without importing pydantic: where it is not imported, nothing is a model."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def _token(value: Any) -> Any:
    """Return something whose == is the sameness of `value`, hashable where `value` is."""
    cls = type(value)
    if cls in _PLAIN:
        return (cls, value)
    if isinstance(value, Enum):
        return (cls, value.name, _token(value.value))
    if isinstance(value, float | Decimal):
        return (cls, repr(value))
    if isinstance(value, datetime):
        return (cls, value.replace(tzinfo=None, fold=0), value.fold, _zone(value))
    if isinstance(value, time):
        return (cls, value.replace(tzinfo=None, fold=0), value.fold, _zone(value))
    if isinstance(value, list | tuple | deque):
        return (cls, getattr(value, "maxlen", None), tuple(_token(each) for each in value))
    if isinstance(value, set | frozenset):
        return (cls, frozenset(_token(each) for each in value))
    if isinstance(value, dict):
        factory = getattr(value, "default_factory", None)
        return (cls, factory, tuple((_token(key), _token(each)) for key, each in value.items()))
    if dataclasses.is_dataclass(value):
        return (cls, tuple(_token(getattr(value, field.name, _MISSING)) for field in dataclasses.fields(value)))
    if is_model(cls):
        fields = tuple(_token(value.__dict__.get(name, _MISSING)) for name in cls.model_fields)
        return (cls, fields, _token(value.__pydantic_extra__), _token(value.__pydantic_private__))
    return (cls, value)


def _zone(value: datetime | time) -> Any:
    if isinstance(value.tzinfo, ZoneInfo):
        return value.tzinfo.key
    return value.utcoffset()


_MISSING = ...
