"""What pydantic found wrong with a tree of settings, in sentences for the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tidegate.settings.absent import absent
from tidegate.settings.keys import group_at, keys_at
from tidegate.settings.resolution import Clashes
from tidegate.settings.words import Path, did_you_mean, listed, shown

__all__ = ["Finding", "findings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at `path`: with the key itself where `with_key` is true, else with its value."""

    path: Path
    sentence: str
    with_key: bool = False


def findings(error: ValidationError, model: type[BaseModel]) -> Iterator[Finding]:
    """Yield what is wrong, in the order of the tree."""
    for details in error.errors(include_url=False):
        match details:
            case {"type": "value_error", "ctx": {"error": Clashes() as clashes}}:
                yield from (Finding(path, sentence) for path, sentence in clashes.found)
            case {"loc": (*path, "[key]")}:
                yield Finding(tuple(path), _sentence(details, model), with_key=True)
            case {"type": "extra_forbidden", "loc": path}:
                yield Finding(path, unknown_key(model, path), with_key=True)
            case {"loc": path}:
                yield Finding(path, _sentence(details, model))


def unknown_key(model: type[BaseModel], path: Path) -> str:
    """Return what to say of a key that is not known at `path`."""
    *parents, last = path
    around, key = tuple(parents), str(last)
    if (sentence := absent(path)) is not None:
        return sentence
    if around == () and key in keys_at(model, ("defaults",)):
        return "unknown key here; it belongs to a queue or to `defaults`"
    if around and key in keys_at(model, ()):
        return "unknown key here; it belongs at the top of the file"
    known = keys_at(model, around)
    if _MEANT.get(key) in known:
        return f"unknown key; did you mean {_MEANT[key]}?"
    return f"unknown key{did_you_mean(key, known) or f'; known here are {listed(sorted(known))}'}"


_MEANT: Final[Mapping[str, str]] = {
    "concurrency": "consumers",
    "workers": "consumers",
    "processes": "consumers",
    "prefetch": "demand",
    "retries": "max_attempts",
    "max_retries": "max_attempts",
    "attempts": "max_attempts",
    "retry": "backoff",
    "imports": "jobs",
    "modules": "jobs",
    "tasks": "jobs",
    "url": "database",
    "database_url": "database",
    "shutdown_timeout": "drain_timeout",
    "time_limit": "timeout",
    "type": "kind",
    "delay": "base",
    "max_delay": "cap",
    "failed": "dead",
    "done": "completed",
}
"""What other platforms call a key -> what it is called here."""


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    got, context = shown(details["input"]), details.get("ctx", {})
    match details["type"]:
        case "value_error":
            return str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return f"expected {_form(model, details['loc'])}, got {got}"
        case "literal_error":
            suggestion = did_you_mean(details["input"], _choices(context)) if isinstance(details["input"], str) else ""
            return f"expected {listed(_choices(context), 'or')}, got {got}{suggestion}"
        case kind if kind in _BOUNDS:
            words, bound = _BOUNDS[kind]
            return f"must be {words} {context[bound]:g}, got {got}"
        case _:
            return f"{details['msg']}, got {got}"


_BOUNDS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _choices(context: Mapping[str, Any]) -> list[str]:
    return [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]


def _form(model: type[BaseModel], path: Path) -> str:
    group = group_at(model, path)
    return getattr(group, "form", "a mapping of names, each with its settings")
