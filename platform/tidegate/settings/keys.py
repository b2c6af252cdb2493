"""The keys that a model knows, read from the model itself, so that no second list of them exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from tidegate.settings.words import Path

__all__ = ["EACH", "group_at", "is_group", "item_type", "keys_at", "nodes", "spread", "value_type"]

EACH = "*"
"""Stands in a path for any name of a mapping, such as a queue's."""


def nodes(annotation: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path and the type of every key below `path`, groups before what is in them."""
    if (named := value_type(annotation)) is not None:
        yield (*path, EACH), named
        yield from nodes(named, (*path, EACH))
    for name, inner in _children(annotation) if is_group(annotation) else ():
        yield (*path, name), inner
        yield from nodes(inner, (*path, name))


def group_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the group of keys that stands at `path`; None where something else does."""
    at: Any = model
    for part in path:
        at = dict(_children(at)).get(str(part)) if is_group(at) else item_type(at) or value_type(at)
    return at if is_group(at) else None


def keys_at(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """Return the keys known under `path`; none where that is no group of keys."""
    group = group_at(model, path)
    return tuple(group.model_fields) if group is not None else ()


def spread(annotation: Any, value: Any) -> Any:
    """Return `value` with every shorthand below it written out, so that sources can be merged key by key."""
    if is_group(annotation):
        whole = annotation.spread(value) if hasattr(annotation, "spread") else value
        if not isinstance(whole, Mapping):
            return whole
        types = dict(_children(annotation))
        return {key: spread(types.get(key), inner) for key, inner in whole.items()}
    if (named := value_type(annotation)) is not None and isinstance(value, Mapping):
        return {key: spread(named, inner) for key, inner in value.items()}
    return value


def is_group(annotation: Any) -> bool:
    """Tell whether a key of this type holds keys of its own that are known beforehand."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def value_type(annotation: Any) -> Any:
    """Return the type of the values of a mapping by name, None for any other type."""
    origin = get_origin(annotation)
    return get_args(annotation)[1] if isinstance(origin, type) and issubclass(origin, Mapping) else None


def item_type(annotation: Any) -> Any:
    """Return the group of keys that each item of a list is, None for any other type."""
    item = next(iter(get_args(annotation)), None) if get_origin(annotation) is tuple else None
    return item if is_group(item) else None


def _children(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    return ((name, field.annotation) for name, field in model.model_fields.items())
