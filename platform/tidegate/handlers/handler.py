"""A handler: a function that may run as a job, with everything that a node must know to run it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.errors import ConfigurationError
from tidegate.handlers.codec import Unstorable
from tidegate.handlers.context import JobContext
from tidegate.handlers.inspection import batch_signature, context_of, signature_of
from tidegate.handlers.signature import Signature
from tidegate.handlers.spec import JobSpec, checked_function, kind_of, place_of
from tidegate.redaction import Redactor

__all__ = ["Handler", "handler_of"]


@dataclass(frozen=True, slots=True)
class Handler:
    """One kind and the function behind it."""

    kind: str
    function: Callable[..., Any]
    """The plain function, without its @job."""
    spec: JobSpec
    signature: Signature
    is_async: bool
    batch: int | None
    """The largest batch that it takes in one call; None where it takes one job."""
    wants_context: str | None
    """The name of the parameter that takes the JobContext."""
    context_place: int | None = None
    """Its place among the positional parameters; None where it is filled by name only."""
    redactor: Redactor = field(default_factory=Redactor)
    """What is secret about its calls."""

    def invoke(self, args: Sequence[Any], kwargs: Mapping[str, Any], context: JobContext | None = None) -> Any:
        """Call the function with decoded arguments; what it returns is a coroutine where `is_async`."""
        if self.wants_context is None:
            return self.function(*args, **kwargs)
        if self.context_place is None or self.context_place > len(args):
            return self.function(*args, **kwargs, **{self.wants_context: context})
        return self.function(*args[: self.context_place], context, *args[self.context_place :], **kwargs)


@functools.cache
def handler_of(function: Callable[..., Any]) -> Handler:
    """Return the handler that a function is, whether it carries a @job or not; ConfigurationError where it cannot be one."""
    said = getattr(function, "spec", None)
    decorated = isinstance(said, JobSpec)
    plain = checked_function(getattr(function, "__wrapped__", None) if decorated else function)
    spec = said if isinstance(said, JobSpec) else JobSpec(kind_of(plain))
    try:
        sign = signature_of if spec.batch is None else batch_signature
        signature = sign(plain, spec.kind)
        context, place = context_of(plain)
    except Unstorable as error:
        raise ConfigurationError(
            f"{spec.kind} ({place_of(plain)}): {error}",
            hint="arguments are data: numbers, text, dates, UUIDs, enums, containers, dataclasses, TypedDicts, pydantic models",
        ) from error
    return Handler(
        kind=spec.kind,
        function=plain,
        spec=spec,
        signature=signature,
        is_async=inspect.iscoroutinefunction(plain),
        batch=spec.batch,
        wants_context=context,
        context_place=place,
        redactor=Redactor.of(spec.redact, [each.name for each in signature.parameters if each.by_position]),
    )
