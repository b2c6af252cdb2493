"""Tidegate: background jobs on PostgreSQL, demand-driven and supervised.

The names below are loaded when they are first used (PEP 562), so that `import tidegate` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Backoff",
    "Breaker",
    "Call",
    "Cancel",
    "Dead",
    "Done",
    "Failed",
    "Job",
    "JobContext",
    "Node",
    "Outcome",
    "RateLimited",
    "Retry",
    "Snooze",
    "Tidegate",
    "TidegateError",
    "__version__",
    "constant",
    "exponential",
    "job",
    "linear",
    "pipeline",
]

if TYPE_CHECKING:
    from tidegate.backoff import Backoff, constant, exponential, linear
    from tidegate.client import Tidegate
    from tidegate.errors import TidegateError
    from tidegate.handlers import Breaker, Call, JobContext, job
    from tidegate.jobs import Cancel, Dead, Done, Failed, Job, Outcome, RateLimited, Retry, Snooze
    from tidegate.pipelines import pipeline
    from tidegate.runtime.node import Node

_HOMES = {
    "Backoff": "backoff",
    "Breaker": "handlers",
    "Call": "handlers",
    "Cancel": "jobs",
    "Dead": "jobs",
    "Done": "jobs",
    "Failed": "jobs",
    "Job": "jobs",
    "JobContext": "handlers",
    "Node": "runtime.node",
    "Outcome": "jobs",
    "RateLimited": "jobs",
    "Retry": "jobs",
    "Snooze": "jobs",
    "Tidegate": "client",
    "TidegateError": "errors",
    "constant": "backoff",
    "exponential": "backoff",
    "job": "handlers",
    "linear": "backoff",
    "pipeline": "pipelines",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tidegate' has no attribute {name!r}")
    value = getattr(import_module(f"tidegate.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
