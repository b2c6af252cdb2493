"""What a function says about its parameters and its result, evaluated as far as that is possible."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from tidegate.handlers.context import JobContext

__all__ = ["Unresolved", "is_context", "parameters_of", "result_of"]

_CONTEXT_BY_NAME: Final = re.compile(r"(\w+\.)*(Optional\[)?(\w+\.)*JobContext\]?(\s*\|\s*None)?|None\s*\|\s*(\w+\.)*JobContext")


class Unresolved(NamedTuple):
    """An annotation that cannot be evaluated."""

    text: str
    error: str


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters with evaluated annotations; one that cannot be evaluated holds an `Unresolved`."""
    parameters = inspect.signature(function).parameters.values()
    return [each.replace(annotation=_evaluated(function, each.annotation)) for each in parameters]


def result_of(function: Callable[..., Any]) -> Any:
    """Return the annotation of the result, `Any` where there is none."""
    return _evaluated(function, inspect.signature(function).return_annotation)


def is_context(annotation: Any) -> bool:
    """Say whether a parameter is the JobContext's: by its class, or by name where that was imported for type checkers only."""
    if isinstance(annotation, Unresolved):
        return _CONTEXT_BY_NAME.fullmatch(annotation.text.strip()) is not None
    if get_origin(annotation) is Annotated:
        return is_context(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        others = [each for each in get_args(annotation) if each is not type(None)]
        return len(others) == 1 and is_context(others[0])
    return isinstance(annotation, type) and issubclass(annotation, JobContext)


def _evaluated(function: Callable[..., Any], annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    plain = inspect.unwrap(function)
    one = SimpleNamespace(__annotations__={"it": annotation}, __type_params__=getattr(plain, "__type_params__", ()))
    try:
        return get_type_hints(one, plain.__globals__, include_extras=True)["it"]
    except Exception as error:  # noqa: BLE001 - an annotation is an expression of the user's, and may raise anything
        return Unresolved(annotation if isinstance(annotation, str) else str(annotation), str(error))
