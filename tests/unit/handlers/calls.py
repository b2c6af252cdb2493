"""What the tests of calls share: the signature of a function defined in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidegate.errors import InvalidArguments
from tidegate.handlers.inspection import signature_of


def signature_with(annotation: Any) -> Any:
    """Return the signature of a function with one parameter, `value`, annotated so."""

    def handler(value):
        """Take one value."""

    handler.__annotations__ = {"value": annotation}
    return signature_of(handler, "shop:handler")


def back_and_forth(annotation: Any, value: Any) -> Any:
    """Send `value` by name through the JSON of a call, and return what the handler would get."""
    signature = signature_with(annotation)
    args, kwargs = signature.decode(signature.encode((), {"value": value}))
    assert (args, list(kwargs)) == ((), ["value"])
    return kwargs["value"]


def problems_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, ...]:
    """Return everything that is wrong with a call."""
    with pytest.raises(InvalidArguments) as caught:
        signature_of(function, "shop:handler").encode(args, kwargs)
    return caught.value.problems


def problem_with(annotation: Any, value: Any) -> str:
    """Return what is wrong with one value under an annotation."""

    def handler(value):
        """Take one value."""

    handler.__annotations__ = {"value": annotation}
    [problem] = problems_of(handler, value)
    return problem
