"""What the type variables of a generic class stand for, in each class of its ancestry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_origin, get_type_hints, is_typeddict

__all__ = ["field_hints", "substitute"]

Meaning = Mapping[Any, Any]
"""Type variable -> the type that it stands for."""


def substitute(annotation: Any, meaning: Meaning) -> Any:
    """Return `annotation` with its type variables replaced; one without a meaning stays."""
    if isinstance(annotation, TypeVar):
        return meaning.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if isinstance(annotation, type) or not parameters or not meaning:
        return annotation
    return annotation[tuple(meaning.get(parameter, parameter) for parameter in parameters)]


def field_hints(cls: type, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return the annotations of a class's fields, evaluated, with the type variables of `cls[arguments]` replaced."""
    meanings = _meanings(cls, dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False)))
    hints = get_type_hints(cls, include_extras=True)
    if is_typeddict(cls):  # it keeps no ancestry: the nearest meaning of a variable is the one
        together = {variable: each for meaning in reversed(meanings.values()) for variable, each in meaning.items()}
        return {name: substitute(hint, together) for name, hint in hints.items()}
    return {name: substitute(hint, meanings.get(_owner(cls, name), {})) for name, hint in hints.items()}


def _meanings(cls: type, own: Meaning) -> dict[type, Meaning]:
    """Return, for `cls` and each of its generic ancestors, what the ancestor's own type variables stand for."""
    meanings: dict[type, Meaning] = {cls: own}
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if isinstance(origin, type):
            given = tuple(substitute(each, own) for each in getattr(base, "__args__", ()))
            meanings |= _meanings(origin, dict(zip(getattr(origin, "__parameters__", ()), given, strict=False)))
    return meanings


def _owner(cls: type, name: str) -> type:
    return next((each for each in cls.__mro__ if name in getattr(each, "__annotations__", {})), cls)
