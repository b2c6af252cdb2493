"""The arguments of a stored call as somebody sees them who is not the handler: by name, or as a batch handler's item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.handlers.handler import Handler

__all__ = ["argument", "arguments_of", "with_arguments"]


def arguments_of(handler: Handler, data: bytes) -> Any:
    """Return the decoded arguments by name, positional ones without a name by their place; of a batch handler the item."""
    args, kwargs = handler.signature.decode(data)
    if handler.batch:
        return args[0]
    names = _positions(handler)
    return {**{names[place] if place < len(names) else place: value for place, value in enumerate(args)}, **kwargs}


def argument(args: Any, name: str) -> Any:
    """Return one of the arguments that `arguments_of` returned; KeyError or AttributeError where it is not there."""
    return args[name] if isinstance(args, Mapping) else getattr(args, name)


def with_arguments(handler: Handler, data: bytes, more: Mapping[str, Any]) -> bytes:
    """Return the stored call with some arguments added or replaced; InvalidArguments where that does not fit the handler."""
    args, kwargs = handler.signature.decode(data)
    if handler.batch:
        item = args[0]
        fields = [each.name for each in handler.signature.parameters]
        given = dict(item) if isinstance(item, Mapping) else {name: getattr(item, name) for name in fields}
        return handler.signature.encode((), {**given, **more})
    names, positional, named = _positions(handler), list(args), dict(kwargs)
    for name, value in more.items():
        place = names.index(name) if name in names else len(positional)
        if place < len(positional):
            positional[place] = value
        else:
            named[name] = value
    return handler.signature.encode(positional, named)


def _positions(handler: Handler) -> list[str]:
    return [each.name for each in handler.signature.parameters if each.by_position]
