"""Enums and Literals: one of a few values.

An enum is written by its members' values where these are distinct JSON scalars, as people expect; else by their names.
"""

# ruff: noqa: D102 - encode, decode and parse keep the promises of contract.py

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, Flag
from types import NoneType
from typing import Any, Final

from tidegate.handlers.codec.contract import Codec, Mismatch, misfit, shown
from tidegate.handlers.codec.scalars import INT, STR
from tidegate.handlers.codec.texts import TEXTS

__all__ = ["EnumCodec", "FlagCodec", "LiteralCodec"]

_SCALARS: Final = frozenset({NoneType, bool, int, float, str})


class EnumCodec(Codec):
    """The members of one enum."""

    def __init__(self, cls: type[Enum]) -> None:
        members = list(cls)
        by_value = all(type(member.value) in _SCALARS and not _is_odd(member.value) for member in members)
        self.label = cls.__qualname__
        self.module = cls.__module__
        self.python = frozenset({cls})
        self._cls = cls
        self._written = {member: member.value if by_value else member.name for member in members}
        self._members = {(type(raw), raw): member for member, raw in self._written.items()}
        self.json = frozenset(type(raw) for raw in self._written.values())

    def encode(self, value: Any) -> Any:
        if type(value) is not self._cls:
            raise misfit(self.label, value)
        return self._written[value]

    def decode(self, raw: Any) -> Any:
        try:
            return self._members[type(raw), raw]
        except (KeyError, TypeError):
            raise Mismatch(f"expected {self.label} ({_listed(self._written.values())}), got {shown(raw)}") from None

    def parse(self, text: str) -> Any:
        try:
            return super().parse(text)
        except Mismatch:
            if text in self._cls.__members__:
                return self._cls[text]
            raise


class FlagCodec(Codec):
    """The members of one Flag and their combinations, by value."""

    json = frozenset({int})

    def __init__(self, cls: type[Flag]) -> None:
        self.label = cls.__qualname__
        self.module = cls.__module__
        self.python = frozenset({cls})
        self._cls = cls

    def encode(self, value: Any) -> int:
        if type(value) is not self._cls:
            raise misfit(self.label, value)
        return int(value.value)

    def decode(self, raw: Any) -> Any:
        number = INT.decode(raw)
        try:
            member = self._cls(number)
        except ValueError:
            member = None
        if member is None or member.value != number:  # Python up to 3.11.3 drops unknown bits instead of refusing them
            raise Mismatch(f"expected {self.label}, got {shown(raw)}")
        return member

    def parse(self, text: str) -> Any:
        return self._cls[text] if text in self._cls.__members__ else super().parse(text)


class LiteralCodec(Codec):
    """The values of one Literal; members of enums among them keep their type. Two that look the same as JSON are a Mismatch."""

    def __init__(self, values: Sequence[Any], enums: dict[type, Codec]) -> None:
        codecs: dict[type, Codec] = {bytes: TEXTS[bytes], str: STR, int: INT, **enums}
        self.label = f"Literal[{', '.join(repr(value) if not isinstance(value, Enum) else str(value) for value in values)}]"
        self.python = frozenset(type(value) for value in values)
        self._written = {
            (type(value), value): codecs[type(value)].encode(value) if type(value) in codecs else value for value in values
        }
        self._values: dict[tuple[type, Any], Any] = {}
        for (_, value), raw in self._written.items():
            self._values.setdefault((type(raw), raw), value)
        self.json = frozenset(type(raw) for raw in self._written.values())
        if len(self._values) != len(self._written):
            raise Mismatch("two of its values look the same as JSON")

    def encode(self, value: Any) -> Any:
        try:
            return self._written[type(value), value]
        except (KeyError, TypeError):
            raise Mismatch(f"expected {self.label}, got {shown(value)}") from None

    def decode(self, raw: Any) -> Any:
        try:
            return self._values[type(raw), raw]
        except (KeyError, TypeError):
            raise Mismatch(f"expected {self.label}, got {shown(raw)}") from None


def _is_odd(value: Any) -> bool:
    """Say whether a scalar cannot be written as itself."""
    if type(value) is float:
        return not math.isfinite(value)
    try:
        INT.encode(value) if type(value) is int else STR.encode(value) if type(value) is str else None
    except Mismatch:
        return True
    return False


def _listed(values: Any) -> str:
    listed = [shown(value) for value in values]
    return ", ".join(listed[:8] + ["..."] * (len(listed) > 8))
