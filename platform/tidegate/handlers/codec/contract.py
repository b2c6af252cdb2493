"""What a codec promises: values of one annotation become standard JSON, and come back as the same type and value.

`encode` takes a value exactly of the annotated type and returns JSON as Python holds it; `decode` is its inverse, and also reads
what a person would write by hand. Both raise `Mismatch`, which knows where in the value it happened. `parse` reads one word of a
command line. A codec that cannot promise the round trip by construction tries it at every `encode`, so that a value which would
not come back is refused by whoever enqueues it, never found out by whoever runs it.
"""

from __future__ import annotations

import json
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import NoneType
from typing import Any, Final, NoReturn

__all__ = ["ANY_JSON", "Codec", "Mismatch", "dumps", "loads", "misfit", "shown"]

ANY_JSON = frozenset({NoneType, bool, int, float, str, list, dict})
"""The types of JSON as Python holds it."""


class Mismatch(Exception):
    """A value does not fit; `path` leads to it from the outermost value."""

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.path = path

    def under(self, step: str) -> Mismatch:
        """Return itself, seen from one level further out."""
        self.path = step + self.path
        return self

    def sentence(self, name: str) -> str:
        """Return the whole fact for the parameter `name`."""
        return f"{name}{self.path}: {self.what}"


class Codec(ABC):
    """How the values of one annotation are written as JSON."""

    label: str
    """The annotation as a reader would write it."""

    module: str = ""
    """Where its class is from, to tell two of one name apart."""

    json: frozenset[type]
    """The JSON types that `encode` may return."""

    lenient: frozenset[type] = frozenset()
    """Further JSON types that `decode` reads, for those who write JSON by hand."""

    python: frozenset[type] | None = None
    """The exact types of its values; None where they are not known beforehand."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """Return `value` as JSON; a value of another type, or one that would not come back, is a Mismatch."""

    @abstractmethod
    def decode(self, raw: Any) -> Any:
        """Return the value that `raw` stands for; anything else is a Mismatch."""

    def parse(self, text: str) -> Any:
        """Return the value that a word of a command line stands for: the text itself where that fits, else the text as JSON."""
        try:
            return self.decode(text)
        except Mismatch as as_text:
            try:
                raw = loads(text)
            except ValueError:
                raise as_text from None
            return self.decode(raw)


def misfit(label: str, value: Any) -> Mismatch:
    """Return the mismatch of a value that is not of the annotated type; the value itself is not told, for it may be a secret."""
    cls = type(value)
    is_subclass = label in {base.__name__ for base in cls.__mro__[1:]} and cls.__module__ not in {"builtins", "datetime"}
    return Mismatch(f"expected {label}, got {cls.__name__}{f': only {label} itself comes back as it went' if is_subclass else ''}")


def shown(value: Any) -> str:
    """Return `value` for a message: short, whatever it is."""
    return _short.repr(value)


def loads(text: str) -> Any:
    """Read standard JSON; anything else, the literals NaN and Infinity among it, is a ValueError."""
    try:
        value, end = _SCAN(text, 0)  # without the search for spaces around it, half of a small job's decoding
    except StopIteration:
        return _DECODER.decode(text)
    return value if end == len(text) else _DECODER.decode(text)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = vars(_DECODER)["scan_once"]  # typeshed does not know it

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60

_encoder: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False)
_quick: Final = getattr(json.encoder, "c_make_encoder", None)


def _dumps() -> Callable[[Any], str]:
    """Return `_encoder.encode` without what that does for each call: it makes an encoder in C, which costs more than it writes."""
    if _quick is None:
        return _encoder.encode
    write = _quick(None, _encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False)
    return lambda value: "".join(write(value, 0))


dumps: Callable[[Any], str] = _dumps()
"""Write standard JSON in ASCII: no NaN, no raw control or non-ASCII characters, whatever the database's encoding is."""
