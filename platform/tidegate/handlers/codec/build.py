"""From an annotation to its codec.

`codec_for` knows the types that Python's own library gives us, and classes made with dataclass, NamedTuple, TypedDict and Enum; the
rest is pydantic's, which is imported only then. A type that nobody can write as JSON is `Unstorable`.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import sys
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, Flag
from typing import Annotated, Any, Final, Literal, NewType, TypeVar, Union, get_args, get_origin, is_typeddict

from tidegate.handlers.codec.choices import EnumCodec, FlagCodec, LiteralCodec
from tidegate.handlers.codec.containers import Items, Row, Table
from tidegate.handlers.codec.contract import Codec, Mismatch
from tidegate.handlers.codec.exact import is_model
from tidegate.handlers.codec.generics import field_hints, substitute
from tidegate.handlers.codec.records import DataclassCodec, Field, NamedTupleCodec, Record, TypedDictCodec
from tidegate.handlers.codec.scalars import ANY, BOOL, FLOAT, INT, NULL, STR
from tidegate.handlers.codec.texts import TEXTS
from tidegate.handlers.codec.unions import Deferred, OneOf

__all__ = ["Unstorable", "codec_for"]

_SCALARS: Final[dict[Any, Codec]] = {
    Any: ANY,
    object: ANY,
    None: NULL,
    types.NoneType: NULL,
    bool: BOOL,
    int: INT,
    float: FLOAT,
    str: STR,
    typing.LiteralString: STR,
    **TEXTS,
}

_ITEMS: Final[dict[Any, tuple[type, ...]]] = {
    list: (list,),
    set: (set,),
    frozenset: (frozenset,),
    collections.deque: (collections.deque,),
    abc.Sequence: (list, tuple),
    abc.MutableSequence: (list,),
    abc.Reversible: (list, tuple),
    abc.Set: (set, frozenset),
    abc.MutableSet: (set,),
    abc.Collection: (list, tuple, set, frozenset),
    abc.Container: (list, tuple, set, frozenset),
    abc.Iterable: (list, tuple, set, frozenset),
}
"""What may stand where an annotation says so; each comes back as what it was."""

_MAPPINGS: Final[dict[Any, type]] = {
    dict: dict,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    collections.OrderedDict: collections.OrderedDict,
    collections.defaultdict: collections.defaultdict,
    collections.Counter: collections.Counter,
}

_QUALIFIERS: Final = {getattr(typing, name, None) for name in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")} - {None}

_NO_DATA: Final = {
    *(type, types.FunctionType, types.ModuleType, abc.Callable, abc.Iterator, abc.Generator, abc.AsyncIterator),
    *(abc.AsyncIterable, abc.AsyncGenerator, abc.Awaitable, abc.Coroutine),
}


Made = TypeVar("Made")


class Unstorable(Exception):
    """A type whose values cannot be written as JSON and come back."""


def codec_for(annotation: Any, names: Mapping[str, Any] | None = None) -> Codec:
    """Return the codec of an evaluated annotation; `names` are where the names in an alias that mentions itself are found."""
    try:
        return _Builder(names or {}).build(annotation)
    except RecursionError:
        raise Unstorable(f"{_name(annotation)} never ends") from None


class _Builder:
    """Builds one annotation's codec. `_open` holds the classes and aliases met so far, so that they may mention themselves."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._open: dict[Any, Codec] = {}
        self._names = names

    def build(self, annotation: Any) -> Codec:
        try:
            if annotation in _SCALARS:
                return _SCALARS[annotation]
            if annotation in self._open:
                return self._open[annotation]
        except TypeError:  # an Annotated with unhashable metadata is in nobody's table
            pass
        origin = get_origin(annotation) or annotation
        arguments = get_args(annotation)
        return self._form(annotation, origin, arguments) or self._class(annotation, origin, arguments)

    def _form(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Codec | None:
        """Build what is no class: the forms of typing."""
        if origin is Annotated:
            return self._annotated(annotation)
        if origin is Union or origin is types.UnionType:
            return self._one_of([self.build(each) for each in arguments])
        if origin is Literal:
            return self._literal(arguments)
        if origin in _QUALIFIERS:
            return self.build(arguments[0] if arguments else Any)
        if isinstance(annotation, NewType):
            return self.build(annotation.__supertype__)
        if isinstance(annotation, TypeVar):
            return self.build(Union[annotation.__constraints__] if annotation.__constraints__ else annotation.__bound__ or Any)  # noqa: UP007 - of a tuple
        if type(origin).__name__ == "TypeAliasType":  # of typing from 3.12 on, of typing_extensions before
            meaning = dict(zip(origin.__type_params__, arguments, strict=False))
            with self._inside(origin):
                return self._deferred(annotation, origin.__name__, substitute(origin.__value__, meaning))
        if isinstance(annotation, str | typing.ForwardRef):
            return self._named(_name(annotation))
        return None

    def _class(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Codec:
        if origin in _NO_DATA:
            raise Unstorable(f"{_name(annotation)} is not data")
        if origin is tuple:
            return self._tuple(arguments, bare=annotation in {tuple, typing.Tuple})  # noqa: UP006 - users still write it
        if origin in _ITEMS:
            item = self.build(arguments[0]) if arguments else ANY
            return self._one_of([Items(each, item) for each in _ITEMS[origin]])
        if origin in _MAPPINGS:
            return self._mapping(_MAPPINGS[origin], arguments)
        if not isinstance(origin, type):
            return _foreign(annotation)
        with self._inside(origin):
            return self._own(annotation, origin, arguments)

    def _own(self, annotation: Any, cls: type, arguments: tuple[Any, ...]) -> Codec:
        """Build a class of the user's."""
        if issubclass(cls, Flag):
            return FlagCodec(cls)
        if issubclass(cls, Enum):
            return EnumCodec(cls)
        if is_typeddict(cls):
            return self._typed_dict(annotation, cls, arguments)
        if dataclasses.is_dataclass(cls):
            return self._dataclass(annotation, cls, arguments)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._named_tuple(annotation, cls, arguments)
        return self._model(annotation) if is_model(cls) else _foreign(annotation)

    def _annotated(self, annotation: Any) -> Codec:
        inner = self.build(annotation.__origin__)
        if not any(_constrains(each) for each in annotation.__metadata__):
            return inner
        from tidegate.handlers.codec.models import Constrained  # noqa: PLC0415 - pydantic only where it is needed

        return _pydantic(annotation, lambda: Constrained(inner, annotation))

    def _one_of(self, members: list[Codec]) -> Codec:
        return members[0] if len(members) == 1 else OneOf(members)

    def _literal(self, values: tuple[Any, ...]) -> Codec:
        enums = {type(value): self.build(type(value)) for value in values if isinstance(value, Enum)}
        try:
            return LiteralCodec(values, enums)
        except Mismatch:  # two values look the same as JSON: their types tell them apart
            kinds = dict.fromkeys(type(value) for value in values)
            return OneOf([LiteralCodec([value for value in values if type(value) is kind], enums) for kind in kinds])

    def _named(self, name: str) -> Codec:
        """Build a name that evaluation left over, as it does inside an alias that mentions itself."""
        if name not in self._names:
            raise Unstorable(f"the name {name!r} was not found")
        key = (name, id(self._names))
        return self._open[key] if key in self._open else self._deferred(key, name, self._names[name])

    def _deferred(self, key: Any, label: str, value: Any) -> Codec:
        deferred = Deferred(label)
        self._open[key] = deferred
        deferred.target = self.build(value)
        return deferred

    @contextmanager
    def _inside(self, thing: Any) -> Iterator[None]:
        """Look names up where `thing` was defined."""
        outer, self._names = self._names, vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
        try:
            yield
        finally:
            self._names = outer

    def _tuple(self, arguments: tuple[Any, ...], *, bare: bool) -> Codec:
        if bare:
            return Items(tuple, ANY)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Items(tuple, self.build(arguments[0]))
        return Row([self.build(each) for each in arguments])

    def _mapping(self, cls: type, arguments: tuple[Any, ...]) -> Codec:
        key = self.build(arguments[0]) if arguments else ANY
        value = int if cls is collections.Counter else arguments[1] if arguments else Any
        factory = get_origin(value) or value
        return Table(cls, STR if key is ANY else key, self.build(value), factory=factory if isinstance(factory, type) else None)

    def _dataclass(self, annotation: Any, cls: type, arguments: tuple[Any, ...]) -> Codec:
        record = self._opened(annotation, DataclassCodec(cls, _name(annotation)))
        hints = _evaluated(cls, arguments)
        for field in dataclasses.fields(cls):
            if field.init:
                optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
                record.fields[field.name] = self._field(record, field.name, hints[field.name], required=not optional)
        return record

    def _named_tuple(self, annotation: Any, cls: Any, arguments: tuple[Any, ...]) -> Codec:
        record = self._opened(annotation, NamedTupleCodec(cls, _name(annotation)))
        hints = _evaluated(cls, arguments)
        for name in cls._fields:
            record.fields[name] = self._field(record, name, hints.get(name, Any), required=name not in cls._field_defaults)
        return record

    def _typed_dict(self, annotation: Any, cls: Any, arguments: tuple[Any, ...]) -> Codec:
        record = self._opened(annotation, TypedDictCodec(cls, _name(annotation)))
        for name, hint in _evaluated(cls, arguments).items():
            required = _says_required(hint)  # asked first: with postponed annotations the class itself cannot see it
            record.fields[name] = self._field(
                record, name, hint, required=name in cls.__required_keys__ if required is None else required
            )
        return record

    def _model(self, cls: Any) -> Codec:
        from tidegate.handlers.codec.models import ModelCodec, RootModelCodec  # noqa: PLC0415 - pydantic only where it is needed

        _pydantic(cls, cls.model_rebuild)
        if cls.__pydantic_root_model__:
            root = RootModelCodec(cls, _name(cls))
            self._open[cls] = root
            root.root = self.build(cls.model_fields["root"].annotation)
            return root
        record = self._opened(cls, ModelCodec(cls, _name(cls)))
        for name, field in cls.model_fields.items():
            record.fields[name] = self._field(record, name, field.annotation, required=field.is_required())
        return record

    def _opened(self, annotation: Any, record: Record) -> Record:
        self._open[annotation] = record
        return record

    def _field(self, record: Record, name: str, hint: Any, *, required: bool) -> Field:
        try:
            return Field(self.build(hint), required)
        except Unstorable as error:
            raise Unstorable(f"{record.label}.{name}: {error}") from None


def _foreign(annotation: Any) -> Codec:
    from tidegate.handlers.codec.models import Adapter  # noqa: PLC0415 - pydantic only where it is needed

    return _pydantic(annotation, lambda: Adapter(annotation, _name(annotation)))


def _pydantic(annotation: Any, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - schemas are built by the user's own hooks, too
        why = f" ({type(error).__name__}: {error})" if type(error).__name__ != "PydanticSchemaGenerationError" else ""
        raise Unstorable(f"{_name(annotation)} is neither a type of Python's own nor one that pydantic knows{why}") from None


def _evaluated(cls: type, arguments: tuple[Any, ...]) -> dict[str, Any]:
    try:
        return field_hints(cls, arguments)
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise Unstorable(f"an annotation of {cls.__qualname__} cannot be evaluated: {error}") from error


def _says_required(hint: Any) -> bool | None:
    """Return what a TypedDict's item says about itself, or None where it says nothing."""
    while get_origin(hint) is not None:
        if get_origin(hint) in {typing.Required, typing.NotRequired}:
            return get_origin(hint) is typing.Required
        if get_origin(hint) is not Annotated and get_origin(hint) not in _QUALIFIERS:
            return None
        hint = get_args(hint)[0]
    return None


def _constrains(metadata: Any) -> bool:
    """Say whether a piece of Annotated's metadata means something to pydantic; most of what people write there does not."""
    package = type(metadata).__module__.partition(".")[0]
    return package in {"annotated_types", "pydantic", "pydantic_core"} or hasattr(metadata, "__get_pydantic_core_schema__")


def _name(annotation: Any) -> str:
    """Return an annotation as a reader would write it, without the modules."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__qualname__
    text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else str(annotation)
    return re.sub(r"\b([A-Za-z_]\w*\.)+(?=\w)", "", text)
