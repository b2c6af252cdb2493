"""Lists, tuples, sets, deques and mappings, to any depth.

A mapping whose keys are written as strings is a JSON object; one with any other keys is an array of pairs. A set is written in
order, so that equal sets are equal JSON in every process.
"""

# ruff: noqa: D102 - encode, decode and parse keep the promises of contract.py

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tidegate.handlers.codec.contract import Codec, Mismatch, dumps, misfit, shown

__all__ = ["Items", "Row", "Table"]


class Items(Codec):
    """Any number of values of one type, in a list, tuple, set, frozenset or deque."""

    json = frozenset({list})

    def __init__(self, cls: Any, item: Codec) -> None:
        self.label = f"tuple[{item.label}, ...]" if cls is tuple else f"{cls.__name__}[{item.label}]"
        self.python = frozenset({cls})
        self._cls = cls
        self._item = item
        self._unordered = cls in {set, frozenset}

    def encode(self, value: Any) -> list[Any]:
        if type(value) is not self._cls:
            raise misfit(self.label, value)
        if self._cls is deque and value.maxlen is not None:
            raise Mismatch("a deque with a maxlen does not come back as it went")
        raw = _mapped(self._item.encode, value)
        return _ordered(raw) if self._unordered else raw

    def decode(self, raw: Any) -> Any:
        if type(raw) is not list:
            raise misfit(self.label, raw)
        values = _mapped(self._item.decode, raw)
        return values if self._cls is list else _built(self._cls, values, self.label)


class Row(Codec):
    """A tuple of known length, each place with its own type."""

    json = frozenset({list})
    python = frozenset({tuple})

    def __init__(self, places: Sequence[Codec]) -> None:
        self.label = f"tuple[{', '.join(place.label for place in places) or '()'}]"
        self._places = tuple(places)

    def encode(self, value: Any) -> list[Any]:
        if type(value) is not tuple:
            raise misfit(self.label, value)
        self._count(value)
        return [_at(index, place.encode, each) for index, (place, each) in enumerate(zip(self._places, value, strict=True))]

    def decode(self, raw: Any) -> tuple[Any, ...]:
        if type(raw) is not list:
            raise misfit(self.label, raw)
        self._count(raw)
        return tuple(_at(index, place.decode, each) for index, (place, each) in enumerate(zip(self._places, raw, strict=True)))

    def _count(self, values: Sequence[Any]) -> None:
        if len(values) != len(self._places):
            raise Mismatch(f"expected {self.label}, got {len(values)} values")


class Table(Codec):
    """A dict, OrderedDict, Counter or defaultdict; `factory` is the only default_factory that a defaultdict may have."""

    def __init__(self, cls: Any, key: Codec, value: Codec, *, factory: Callable[[], Any] | None = None) -> None:
        self.label = f"{cls.__name__}[{key.label}, {value.label}]"
        self.python = frozenset({cls})
        self._cls = cls
        self._key = key
        self._value = value
        self._factory = factory
        self._digits = key.json == {int}
        self._object = self._digits or key.json == {str}
        self.json = frozenset({dict if self._object else list})

    def encode(self, value: Any) -> Any:
        if type(value) is not self._cls:
            raise misfit(self.label, value)
        if self._cls is defaultdict and value.default_factory is not self._factory:
            raise Mismatch(f"the default_factory of a {self.label} that comes back is {shown(self._factory)}")
        pairs = [[_key(self._key.encode, key), _at(key, self._value.encode, each)] for key, each in value.items()]
        if not self._object:
            return pairs
        raw = {str(key) if self._digits else key: each for key, each in pairs}
        if len(raw) != len(pairs):
            raise Mismatch("two of its keys look the same as JSON")
        return raw

    def decode(self, raw: Any) -> Any:
        values = _built(dict, self._pairs(raw), self.label)
        if self._cls is dict:
            return values
        return defaultdict(self._factory, values) if self._cls is defaultdict else self._cls(values)

    def _pairs(self, raw: Any) -> list[tuple[Any, Any]]:
        read = self._key.parse if self._digits else self._key.decode
        if self._object and type(raw) is dict:
            items: Iterable[Any] = raw.items()
        elif not self._object and type(raw) is list and all(type(pair) is list and len(pair) == 2 for pair in raw):
            items = raw
        else:
            raise Mismatch(f"expected {self.label}{'' if self._object else ' as an array of [key, value]'}, got {shown(raw)}")
        return [(_key(read, key), _at(key, self._value.decode, each)) for key, each in items]


def _mapped(convert: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    out: list[Any] = []
    try:
        for value in values:
            out.append(convert(value))  # noqa: PERF401 - a comprehension would not know how far it came
    except Mismatch as mismatch:
        raise mismatch.under(f"[{len(out)}]") from None
    return out


def _at(step: Any, convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except Mismatch as mismatch:
        raise mismatch.under(f"[{shown(step)}]") from None


def _key(convert: Callable[[Any], Any], key: Any) -> Any:
    try:
        return convert(key)
    except Mismatch as mismatch:
        raise mismatch.under(f" key {shown(key)}") from None


def _ordered(raw: list[Any]) -> list[Any]:
    try:
        return sorted(raw)
    except TypeError:  # of several types, or objects
        return sorted(raw, key=dumps)


def _built(make: Callable[[Any], Any], values: Any, label: str) -> Any:
    try:
        return make(values)
    except TypeError as error:  # an unhashable member or key
        raise Mismatch(f"expected {label}: {error}") from None
