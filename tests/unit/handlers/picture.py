"""Sameness for the tests, written without the codec's own: a picture of a value in which every type and every part shows."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel


def picture(value: Any) -> Any:
    """Return nested tuples and text that are equal only where type and value are, all the way down."""
    name = type(value).__qualname__
    if isinstance(value, set | frozenset):
        return (name, sorted(map(str, map(picture, value))))
    if isinstance(value, dict):
        return (name, getattr(value, "default_factory", None), [(picture(key), picture(each)) for key, each in value.items()])
    if dataclasses.is_dataclass(value):
        return (name, [(field.name, picture(getattr(value, field.name))) for field in dataclasses.fields(value)])
    if isinstance(value, BaseModel):
        return (
            name,
            sorted(value.model_fields_set),
            [(key, picture(each)) for key, each in vars(value).items()],
            value.__pydantic_extra__,
        )
    if isinstance(value, list | tuple) or name == "deque":
        return (name, [picture(each) for each in value])
    return (name, repr(value), getattr(value, "fold", None))
