"""From a function to the signature of its calls."""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, NoReturn, ParamSpecArgs, ParamSpecKwargs, Union, Unpack, get_args, get_origin, is_typeddict

from tidegate.handlers.annotations import Unresolved, is_context, parameters_of, result_of
from tidegate.handlers.codec import ANY, Codec, Mismatch, Record, Unstorable, codec_for
from tidegate.handlers.signature import Parameter, Signature
from tidegate.jobs import Job, Outcome

__all__ = ["batch_signature", "context_of", "signature_of"]

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BATCHES: Final = (
    "beside its JobContext a batch handler takes one parameter: list[Job[X]], where X is a dataclass, TypedDict or pydantic model, "
    "or list[Job]"
)


def signature_of(function: Callable[..., Any], kind: str) -> Signature:
    """Return the signature of a function's calls; Unstorable where a parameter that every call needs cannot be stored."""
    parameters: list[Parameter] = []
    rest = others = None
    names = inspect.unwrap(function).__globals__
    for each in _arguments(function):
        if each.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = _argument(each, names, required=False)
        elif each.kind is inspect.Parameter.VAR_KEYWORD:
            if get_origin(each.annotation) is Unpack and is_typeddict(get_args(each.annotation)[0]):
                parameters += _fields_of(get_args(each.annotation)[0])
            else:
                others = _argument(each, names, required=False)
        else:
            required = each.default is inspect.Parameter.empty
            by_position = each.kind in _POSITIONAL
            by_name = each.kind is not inspect.Parameter.POSITIONAL_ONLY
            parameters.append(Parameter(each.name, _argument(each, names, required=required), required, by_position, by_name))
    return Signature(
        kind, parameters, rest=rest, others=others, context=context_of(function)[0], result=_stored(result_of(function))
    )


def batch_signature(function: Callable[..., Any], kind: str) -> Signature:
    """Return the signature of one item of a batch handler: the fields of X are its arguments."""
    arguments = _arguments(function)
    if len(arguments) != 1 or arguments[0].kind not in _POSITIONAL:
        raise Unstorable(_BATCHES)
    item = _item(arguments[0])
    if item is Any:
        return Signature(kind, (), others=ANY, gather=dict)
    codec = codec_for(item)
    if not isinstance(codec, Record):
        raise Unstorable(f"{arguments[0].name!r} holds jobs of {codec.label}: {_BATCHES}")
    return Signature(kind, _fields(codec), gather=codec.build)


def context_of(function: Callable[..., Any]) -> tuple[str | None, int | None]:
    """Return the name of the parameter that takes the JobContext, and its place where it can be filled by position."""
    parameters = parameters_of(function)
    contexts = [each for each in parameters if is_context(each.annotation)]
    if not contexts:
        return None, None
    if len(contexts) > 1:
        raise Unstorable(f"{contexts[1].name!r} is a second JobContext, and there is one")
    return contexts[0].name, parameters.index(contexts[0]) if contexts[0].kind in _POSITIONAL else None


def _arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [each for each in parameters_of(function) if not is_context(each.annotation)]


def _argument(parameter: inspect.Parameter, names: Mapping[str, Any], *, required: bool) -> Codec:
    """Return the codec of a parameter; one that need not be filled, and cannot be stored, refuses whatever fills it."""
    annotation = parameter.annotation
    if isinstance(annotation, ParamSpecArgs | ParamSpecKwargs):
        return ANY
    try:
        if isinstance(annotation, Unresolved):
            raise Unstorable(f"its annotation {annotation.text!r} cannot be evaluated ({annotation.error})")
        return codec_for(annotation, names)
    except Unstorable as error:
        if required:
            raise Unstorable(f"parameter {parameter.name!r} cannot be stored: {error}") from error
        return _Never(str(error))


class _Never(Codec):
    """Refuses every value, and says why."""

    label = "nothing that can be stored"
    json = frozenset[type]()

    def __init__(self, why: str) -> None:
        self._why = why

    def encode(self, value: Any) -> NoReturn:
        raise Mismatch(f"a {type(value).__name__} cannot be stored: {self._why}")

    def decode(self, raw: Any) -> NoReturn:
        self.encode(raw)


def _fields_of(cls: Any) -> list[Parameter]:
    codec = codec_for(cls)
    return _fields(codec) if isinstance(codec, Record) else []


def _fields(record: Record) -> list[Parameter]:
    return [Parameter(name, field.codec, field.required, by_position=False) for name, field in record.fields.items()]


def _item(parameter: inspect.Parameter) -> Any:
    """Return X of `list[Job[X]]`, Any where it is absent."""
    annotation = parameter.annotation
    if annotation is Any:
        return Any
    if isinstance(annotation, Unresolved):
        raise Unstorable(f"the annotation {annotation.text!r} of {parameter.name!r} cannot be evaluated ({annotation.error})")
    inner = get_args(annotation) or (Job,)
    outer = get_origin(annotation) or annotation
    if not (isinstance(outer, type) and issubclass(list, outer)) or (get_origin(inner[0]) or inner[0]) is not Job:
        raise Unstorable(_BATCHES)
    return (get_args(inner[0]) or (Any,))[0]


def _stored(annotation: Any) -> Any:
    """Return the type of the results that are stored: without the awaiting, and without the outcomes that decide a job instead."""
    if isinstance(annotation, Unresolved) or (isinstance(annotation, type) and issubclass(annotation, Outcome)):
        return Any
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Awaitable, Coroutine} and arguments:
        return _stored(arguments[-1])
    if origin in {Union, types.UnionType}:
        kept = tuple(each for each in arguments if not (isinstance(each, type) and issubclass(each, Outcome)))
        return Union[kept] if set(kept) - {types.NoneType} else Any  # noqa: UP007 - of a tuple
    return annotation
