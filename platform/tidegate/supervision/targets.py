"""Functions that are known by their name in another process."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["resolve"]


def resolve(target: str) -> Callable[..., Any]:
    """Return the function that "package.module:qualified.name" stands for."""
    module, _, path = target.partition(":")
    if not module or not path:
        raise ValueError(f"a target is written package.module:function; got {target!r}")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"{target} is no function, but {type(found).__name__}")
    function: Callable[..., Any] = found
    return function
