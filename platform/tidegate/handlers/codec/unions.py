"""One of several types.

A union is written like the member that the value belongs to, so that the JSON is what a reader expects. Only where that JSON, read
without further knowledge, would come back as another type or value is it tagged: `{"$is": "datetime", "value": ...}`. Members are
tried as they are declared, exact types before convertible ones. Tags are labels, not positions: a union may grow while jobs wait.
"""

# ruff: noqa: D102 - encode, decode and parse keep the promises of contract.py

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tidegate.handlers.codec.contract import ANY_JSON, Codec, Mismatch, misfit, shown
from tidegate.handlers.codec.exact import same
from tidegate.handlers.codec.scalars import NULL, STR

__all__ = ["Deferred", "OneOf"]

_TAG: Final = "$is"
_TAGGED: Final = {_TAG, "value"}


class OneOf(Codec):
    """A value of one of the member types."""

    def __init__(self, members: Sequence[Codec]) -> None:
        self._members = tuple(members)
        self.label = " | ".join(member.label for member in members)
        self._tags = _labels(members)
        self._by_tag = {tag: member for member, tag in zip(members, self._tags, strict=True)}
        self._natural = {kind: tuple(member for member in members if kind in member.json) for kind in ANY_JSON}
        self._lenient = {kind: tuple(member for member in members if kind in member.lenient) for kind in ANY_JSON}
        known = frozenset().union(*(member.python for member in members if member.python is not None))
        self._exact = {cls: tuple(member for member in members if member.python is None or cls in member.python) for cls in known}
        self._ambiguous = any(len(readers) > 1 for readers in self._natural.values())
        self.json = frozenset().union(*(member.json for member in members), {dict} if self._ambiguous else ())
        self.lenient = frozenset().union(*(member.lenient for member in members)) - self.json
        self.python = None if any(member.python is None for member in members) else known

    def encode(self, value: Any) -> Any:
        candidates = self._exact.get(type(value), self._members)
        converted: tuple[Codec, Any] | None = None
        refusals = []
        for member in candidates:
            try:
                raw = member.encode(value)
            except Mismatch as mismatch:
                refusals.append(mismatch)
                continue
            if len(candidates) == 1 and self._only(member, raw):
                return raw
            if same(member.decode(raw), value):
                return self._tell(member, raw, value)
            converted = converted or (member, raw)
        if converted is not None:
            member, raw = converted
            return self._tell(member, raw, member.decode(raw))
        raise refusals[0] if len(candidates) == 1 else misfit(self.label, value)

    def decode(self, raw: Any) -> Any:
        if self._ambiguous and type(raw) is dict and raw.keys() == _TAGGED:
            member = self._by_tag.get(raw[_TAG]) if type(raw[_TAG]) is str else None
            if member is None:
                raise Mismatch(f"expected {self.label}, got the tag {shown(raw[_TAG])}")
            return member.decode(raw["value"])
        return self._read(raw)

    def parse(self, text: str) -> Any:
        for member in sorted(self._members, key=lambda each: (each is NULL, each is STR)):
            try:
                return member.parse(text)
            except Mismatch:
                continue
        raise Mismatch(f"expected {self.label}, got {shown(text)}")

    def _only(self, member: Codec, raw: Any) -> bool:
        """Say whether nobody else would read `raw`, nor would it be taken for a tag."""
        return self._natural[type(raw)] == (member,) and not (self._ambiguous and type(raw) is dict and _TAG in raw)

    def _tell(self, member: Codec, raw: Any, value: Any) -> Any:
        """Return `raw` as it stands if it is read as `value`, else tagged."""
        try:
            plain = same(self.decode(raw), value)
        except Mismatch:
            plain = False
        return raw if plain else {_TAG: self._tags[self._members.index(member)], "value": raw}

    def _read(self, raw: Any) -> Any:
        readers = self._natural[type(raw)] + self._lenient[type(raw)]
        if len(readers) == 1:
            return readers[0].decode(raw)
        for member in readers:
            try:
                return member.decode(raw)
            except Mismatch:
                continue
        raise Mismatch(f"expected {self.label}, got {shown(raw)}")


class Deferred(Codec):
    """Stands for an alias that is still being built, so that an alias may mention itself."""

    json = ANY_JSON

    def __init__(self, label: str) -> None:
        self.label = label
        self.target: Codec = NULL

    def encode(self, value: Any) -> Any:
        return self.target.encode(value)

    def decode(self, raw: Any) -> Any:
        return self.target.decode(raw)


def _labels(members: Sequence[Codec]) -> list[str]:
    """Return a label for each member: its own, with its module where two share it, with its place where even that is shared."""
    labels = [member.label for member in members]
    counts = Counter(labels)
    labels = [f"{member.module}.{label}" if counts[label] > 1 else label for member, label in zip(members, labels, strict=True)]
    counts = Counter(labels)
    return [f"{label}#{place}" if counts[label] > 1 else label for place, label in enumerate(labels, 1)]
