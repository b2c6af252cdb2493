"""Values without parts: None, bool, int, float, str, and everything that is written as one JSON string.

A float parameter takes an int that a float holds exactly, and gets a float; no other value is converted (True is not an int, "1"
is not one, a datetime is not a date). NaN and the infinities are written as the strings "NaN", "Infinity" and "-Infinity".
"""

# ruff: noqa: D102 - encode, decode and parse keep the promises of contract.py

from __future__ import annotations

import math
from collections.abc import Callable
from types import NoneType
from typing import Any, Final

from tidegate.handlers.codec.contract import ANY_JSON, Codec, Mismatch, loads, misfit, shown

__all__ = ["ANY", "BOOL", "FLOAT", "INT", "NULL", "STR", "Any_", "Str", "Text"]

INT_BITS: Final = 14_000  # Python reads and writes ints of up to 4,300 digits; 14,000 bits are 4,215


class Null(Codec):
    """None."""

    label = "None"
    json = python = frozenset({NoneType})

    def encode(self, value: Any) -> None:
        if value is not None:
            raise misfit(self.label, value)

    def decode(self, raw: Any) -> None:
        self.encode(raw)


class Bool(Codec):
    """True or false; 1 and 0 on a command line, too."""

    label = "bool"
    json = python = frozenset({bool})

    def encode(self, value: Any) -> bool:
        if type(value) is not bool:
            raise misfit(self.label, value)
        return value

    def decode(self, raw: Any) -> bool:
        return self.encode(raw)

    def parse(self, text: str) -> bool:
        match text.lower():
            case "true" | "1":
                return True
            case "false" | "0":
                return False
            case _:
                raise Mismatch(f"expected true, false, 1 or 0, got {shown(text)}")


class Int(Codec):
    """An int of any size that Python itself would read back."""

    label = "int"
    json = python = frozenset({int})

    def encode(self, value: Any) -> int:
        if type(value) is not int:
            raise misfit(self.label, value)
        if value.bit_length() > INT_BITS:
            raise Mismatch("an int of more than 4,200 digits cannot be written as JSON")
        return value

    def decode(self, raw: Any) -> int:
        if type(raw) is not int:
            raise misfit(self.label, raw)
        return raw

    def parse(self, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise Mismatch(f"expected int, got {shown(text)}") from None


class Float(Codec):
    """A float, or an int that a float holds exactly."""

    label = "float"
    json = frozenset({float, str})
    lenient = frozenset({int})
    python = frozenset({float})

    def encode(self, value: Any) -> float | str:
        if type(value) is float:
            return value if math.isfinite(value) else _name(value)
        if type(value) is int:
            return _exactly(value)
        raise misfit(self.label, value)

    def decode(self, raw: Any) -> float:
        if type(raw) is float and math.isfinite(raw):  # 1e400 is standard JSON and no float
            return raw
        if type(raw) is int:
            return _exactly(raw)
        if type(raw) is str and raw in _NOT_FINITE:
            return float(raw)
        raise Mismatch(f"expected float, got {shown(raw)}")

    def parse(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise Mismatch(f"expected float, got {shown(text)}") from None


_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _exactly(value: int) -> float:
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if as_float != value:
        raise Mismatch("an int that no float holds exactly")
    return as_float


class Str(Codec):
    """Text; on a command line the word as it stands."""

    label = "str"
    json = python = frozenset({str})

    def encode(self, value: Any) -> str:
        if type(value) is not str:
            raise misfit(self.label, value)
        return _storable(value)

    def decode(self, raw: Any) -> str:
        if type(raw) is not str:
            raise misfit(self.label, raw)
        return raw

    def parse(self, text: str) -> str:
        return text


class Text(Codec):
    """Values of one type that are written as a string; `read` raises ValueError for a string that is none of them."""

    json = frozenset({str})

    def __init__(
        self,
        label: str,
        cls: type,
        write: Callable[[Any], str],
        read: Callable[[str], Any],
        *,
        looks: str,
        number: Callable[[float], Any] | None = None,
    ) -> None:
        self.label = label
        self.python = frozenset({cls})
        self._cls = cls
        self._write = write
        self._read = read
        self._looks = looks
        self._number = number
        if number is not None:
            self.lenient = frozenset({int, float})

    def encode(self, value: Any) -> str:
        if type(value) is not self._cls:
            raise misfit(self.label, value)
        return _storable(self._write(value))

    def decode(self, raw: Any) -> Any:
        try:
            if type(raw) is str:
                return self._read(raw)
            if self._number is not None and type(raw) in {int, float}:
                return self._number(raw)
        except (ValueError, ArithmeticError):
            pass  # answered below, as any other text that is none of ours
        raise Mismatch(f"expected {self.label} ({self._looks}), got {shown(raw)}")


class Any_(Codec):  # noqa: N801 - it is the codec of typing.Any
    """JSON-native values only: what is not annotated has no type to come back to."""

    label = "Any"
    json = ANY_JSON

    def encode(self, value: Any) -> Any:
        cls = type(value)
        if cls is str:
            _storable(value)
        elif cls is int:
            INT.encode(value)
        elif cls is float:
            if not math.isfinite(value):
                raise Mismatch(f"{_name(value)} is not a JSON value")
        elif cls is list:
            _each(enumerate(value))
        elif cls is dict:
            for key in value:
                if type(key) is not str:
                    raise Mismatch(f"a dict with keys of type {type(key).__name__} is not a JSON value")
                _storable(key)
            _each(value.items())
        elif value is not None and cls is not bool:
            raise Mismatch(f"{cls.__name__} is not a JSON value")
        return value

    def decode(self, raw: Any) -> Any:
        return raw

    def parse(self, text: str) -> Any:
        try:
            return loads(text)
        except ValueError:
            return text


def _each(items: Any) -> None:
    for key, value in items:
        try:
            ANY.encode(value)
        except Mismatch as mismatch:
            raise mismatch.under(f"[{key!r}]") from None


def _storable(text: str) -> str:
    """Return `text`; half a surrogate pair is refused, since no UTF-8 text can hold it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Mismatch(f"the text holds a lone surrogate ({text[error.start]!r}), which no JSON reader need accept") from None
    return text


NULL, BOOL, INT, FLOAT, STR, ANY = Null(), Bool(), Int(), Float(), Str(), Any_()
