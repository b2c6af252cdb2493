"""Values with named fields: dataclasses, NamedTuples and TypedDicts, each a JSON object.

A dataclass with code of its own in construction (`__post_init__`, fields that are not arguments, an `__init__` by hand) is tried at
every encode, since only its author knows whether it comes back as it went.
"""

# ruff: noqa: D102 - encode, decode and parse keep the promises of contract.py

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from tidegate.errors import nearest
from tidegate.handlers.codec.contract import Codec, Mismatch, misfit, shown
from tidegate.handlers.codec.exact import same_but_promoted

__all__ = ["DataclassCodec", "Field", "NamedTupleCodec", "Record", "TypedDictCodec"]


_ABSENT = ...  # an attribute that was never set: no codec takes it


class Field(NamedTuple):
    """One named part of a record."""

    codec: Codec
    required: bool


class Record(Codec):
    """What records have in common. `fields` is filled in after construction, so that a record may hold records of its own type."""

    json = frozenset({dict})
    doubtful = False
    """Whether construction runs code that may change what it is given."""

    def __init__(self, cls: type, label: str) -> None:
        self.label = label
        self.module = cls.__module__
        self.cls = cls
        self.python = frozenset({cls})
        self.fields: dict[str, Field] = {}

    def encode(self, value: Any) -> Any:
        if type(value) is not self.cls:
            raise misfit(self.label, value)
        raw = self.write(value)
        if self.doubtful and not same_but_promoted(self.decode(raw), value):
            raise Mismatch(
                f"this {self.label} does not come back as it went: its construction changes it, or it holds more than fields"
            )
        return raw

    def decode(self, raw: Any) -> Any:
        if type(raw) is not dict:
            raise misfit(self.label, raw)
        return self.build(self.read(raw))

    def write(self, value: Any) -> dict[str, Any]:
        """Return the fields of `value`, each as JSON."""
        return {name: self.write_field(name, getattr(value, name, _ABSENT)) for name in self.fields}

    def write_field(self, name: str, value: Any) -> Any:
        """Return one field's value as JSON."""
        try:
            return self.fields[name].codec.encode(value)
        except Mismatch as mismatch:
            raise mismatch.under(f".{name}") from None

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a JSON object, each as its value; a missing or unknown name is a Mismatch."""
        values = {name: self.read_field(name, each) for name, each in raw.items()}
        missing = [name for name, field in self.fields.items() if field.required and name not in values]
        if missing:
            raise Mismatch(f"{self.label} lacks {', '.join(missing)}")
        return values

    def read_field(self, name: str, raw: Any) -> Any:
        """Return one field's value."""
        field = self.fields.get(name)
        if field is None:
            close = nearest(name, self.fields)
            raise Mismatch(f"{self.label} has no field {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        try:
            return field.codec.decode(raw)
        except Mismatch as mismatch:
            raise mismatch.under(f".{name}") from None

    def build(self, values: dict[str, Any]) -> Any:
        """Return the record that has these values; what its own code refuses is a Mismatch."""
        try:
            return self.cls(**values)
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001 - the user's own construction runs: __post_init__, validators
            raise Mismatch(f"{self.label} refused its values: {type(error).__name__}: {error}") from None


class DataclassCodec(Record):
    """A dataclass, written by the fields that its construction takes."""

    def __init__(self, cls: Any, label: str) -> None:
        super().__init__(cls, label)
        fields = dataclasses.fields(cls)
        self.doubtful = (
            "__dataclass_params__" not in vars(cls)
            or not cls.__dataclass_params__.init
            or hasattr(cls, "__post_init__")
            or hasattr(cls, "__pydantic_validator__")
            or not all(field.init for field in fields)
            or len(cls.__dataclass_fields__) != len(fields)  # InitVars: asked for, and not kept
            or cls.__new__ is not object.__new__
        )


class NamedTupleCodec(Record):
    """A NamedTuple, written with its fields' names; an array is read as well."""

    lenient = frozenset({list})

    def decode(self, raw: Any) -> Any:
        if type(raw) is list and len(raw) <= len(self.fields):
            raw = dict(zip(self.fields, raw, strict=False))
        return super().decode(raw)


class TypedDictCodec(Record):
    """A TypedDict: a plain dict with known keys, some of which may be absent."""

    def __init__(self, cls: type, label: str) -> None:
        super().__init__(cls, label)
        self.cls = dict
        self.python = frozenset({dict})

    def write(self, value: dict[Any, Any]) -> dict[str, Any]:
        missing = [name for name, field in self.fields.items() if field.required and name not in value]
        unknown = [key for key in value if key not in self.fields]
        if missing:
            raise Mismatch(f"{self.label} lacks {', '.join(missing)}")
        if unknown:
            raise Mismatch(f"{self.label} has no key {shown(unknown[0])}")
        return {name: self.write_field(name, each) for name, each in value.items()}

    def build(self, values: dict[str, Any]) -> dict[str, Any]:
        return values
