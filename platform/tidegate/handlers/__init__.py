"""Functions that run as jobs: `@job`, calls of them, their arguments on the way through the table, and who may run here."""

from tidegate.handlers.arguments import argument, arguments_of, with_arguments
from tidegate.handlers.breaker import Breaker
from tidegate.handlers.call import NOTHING_SAID, Call, CallOptions
from tidegate.handlers.context import JobContext
from tidegate.handlers.decorator import JobFunction, job
from tidegate.handlers.handler import Handler, handler_of
from tidegate.handlers.registry import Handlers
from tidegate.handlers.signature import InvalidResult, Signature
from tidegate.handlers.spec import JobSpec, kind_of

__all__ = [
    "NOTHING_SAID",
    "Breaker",
    "Call",
    "CallOptions",
    "Handler",
    "Handlers",
    "InvalidResult",
    "JobContext",
    "JobFunction",
    "JobSpec",
    "Signature",
    "argument",
    "arguments_of",
    "handler_of",
    "job",
    "kind_of",
    "with_arguments",
]
