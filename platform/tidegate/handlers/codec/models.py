"""What pydantic knows and we do not: its models, its constraints, and types that only it can read.

A model is written field by field with our codecs, so that what it holds comes back exactly, and built by its own validation, so
that a stored job obeys its rules. Fields that were not set stay unset. Whatever passes through a validator or serializer of
somebody's own is tried at every encode. This module alone imports pydantic, and is imported only where an annotation needs it.
"""

# ruff: noqa: D102 - encode, decode and parse keep the promises of contract.py

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from tidegate.handlers.codec.contract import ANY_JSON, Codec, Mismatch, dumps, loads, misfit
from tidegate.handlers.codec.exact import same, same_but_promoted
from tidegate.handlers.codec.records import Record
from tidegate.handlers.codec.scalars import ANY, NULL

__all__ = ["Adapter", "Constrained", "ModelCodec", "RootModelCodec"]

_PURE_FACTORIES: Final = (list, dict, set, frozenset, tuple)  # whose default tomorrow is today's


class ModelCodec(Record):
    """A pydantic model, written by the names of its fields; their aliases are read as well."""

    doubtful = True

    def __init__(self, cls: type[BaseModel], label: str) -> None:
        super().__init__(cls, label)
        self._model = cls
        self._names = {field.alias: name for name, field in cls.model_fields.items() if field.alias}
        self._extra = cls.model_config.get("extra", "ignore")
        self.extras: Codec = ANY
        """How fields that the model does not declare are written, where it allows them."""

    def write(self, value: BaseModel) -> dict[str, Any]:
        held = vars(value)
        raw = {name: self.write_field(name, held[name]) for name in self.fields if name in held and self._tells(value, name)}
        return raw | {name: self.extras.encode(each) for name, each in (value.__pydantic_extra__ or {}).items()}

    def write_field(self, name: str, value: Any) -> Any:
        """Return a field as JSON; one that its model keeps in another form (`use_enum_values`) as it is, on trial."""
        try:
            return super().write_field(name, value)
        except Mismatch:
            if self._reads_back(name, value):
                return value
            raise

    def read_field(self, name: str, raw: Any) -> Any:
        return super().read_field(name, raw) if name in self.fields else self.extras.decode(raw)

    def read(self, raw: Any) -> dict[str, Any]:
        named = {self._names.get(name, name) if name not in self.fields else name: each for name, each in raw.items()}
        if self._extra == "ignore":
            named = {name: each for name, each in named.items() if name in self.fields}
        return super().read(named)

    def build(self, values: dict[str, Any]) -> Any:
        return _checked(self.label, lambda: self._model.model_validate(values, by_name=True, by_alias=False))

    def _reads_back(self, name: str, value: Any) -> bool:
        try:
            self.fields[name].codec.decode(ANY.encode(value))
        except Mismatch:
            return False
        return True

    def _tells(self, value: BaseModel, name: str) -> bool:
        """Say whether a field is written: unless it was left at a default that any later run would give it, too."""
        if name in value.model_fields_set:
            return True
        field = self._model.model_fields[name]
        factory = field.default_factory
        if factory is not None and factory not in _PURE_FACTORIES:
            return True
        default = factory() if factory is not None else field.default
        return not same(default, vars(value)[name])


class RootModelCodec(Codec):
    """A pydantic RootModel, written as what it holds. `root` is set after construction, so that it may mention itself."""

    json = ANY_JSON

    def __init__(self, cls: Any, label: str) -> None:
        self.label = label
        self.python = frozenset({cls})
        self.root: Codec = NULL
        self._model = cls

    def encode(self, value: Any) -> Any:
        if type(value) is not self._model:
            raise misfit(self.label, value)
        return _tried(self, self.root.encode(value.root), value)

    def decode(self, raw: Any) -> Any:
        value = self.root.decode(raw)
        return _checked(self.label, lambda: self._model.model_validate(value))


class Constrained(Codec):
    """A type with constraints or validators, as `Annotated[int, Field(gt=0)]`: written as the type, then held against them."""

    def __init__(self, inner: Codec, annotation: Any) -> None:
        self.label = inner.label
        self.json = inner.json
        self.lenient = inner.lenient
        self.python = inner.python
        self._inner = inner
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(self, value: Any) -> Any:
        return _tried(self, self._inner.encode(value), value)

    def decode(self, raw: Any) -> Any:
        return self._hold(self._inner.decode(raw))

    def parse(self, text: str) -> Any:
        return self._hold(self._inner.parse(text))

    def _hold(self, value: Any) -> Any:
        return _checked(self.label, lambda: self._adapter.validate_python(value, strict=True))


class Adapter(Codec):
    """Any other type that pydantic can validate and serialize."""

    json = ANY_JSON

    def __init__(self, annotation: Any, label: str) -> None:
        self.label = label
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(self, value: Any) -> Any:
        _checked(self.label, lambda: self._adapter.validate_python(value, strict=True))
        try:
            raw = loads(self._adapter.dump_json(value, round_trip=True, warnings=False).decode())
        except (PydanticSerializationError, ValueError) as error:
            raise Mismatch(f"this {self.label} cannot be written as JSON: {error}") from error
        return _tried(self, raw, value)

    def decode(self, raw: Any) -> Any:
        return _checked(self.label, lambda: self._adapter.validate_json(dumps(raw), strict=True))


def _tried(codec: Codec, raw: Any, value: Any) -> Any:
    if not same_but_promoted(codec.decode(raw), value):
        raise Mismatch(f"this {codec.label} does not come back as it went")
    return raw


def _checked(label: str, validate: Callable[[], Any]) -> Any:
    """Run validation; what it refuses is a Mismatch that says why, field by field."""
    try:
        return validate()
    except ValidationError as error:
        facts = [
            (*map(str, each["loc"]), each["msg"])
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Mismatch(f"not a valid {label}: {'; '.join(': '.join(fact) for fact in facts)}") from None
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - a user's validator may raise anything
        raise Mismatch(f"not a valid {label}: {type(error).__name__}: {error}") from None
