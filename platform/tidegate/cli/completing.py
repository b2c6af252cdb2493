"""What a shell is offered for a name: the queues of queues.yaml, the kinds of the jobs modules.

Nothing is said and nothing breaks where they cannot be read: a shell that completes wants words or silence.
"""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import click

from tidegate.cli.scope import Scope
from tidegate.errors import TidegateError

__all__ = ["circuits_here", "kinds_here", "queues_here"]


def queues_here(ctx: click.Context) -> list[str]:
    """Return the declared queues."""
    try:
        return list(ctx.ensure_object(Scope).settings.queue_names)
    except TidegateError:
        return []


def circuits_here(ctx: click.Context) -> list[str]:
    """Return the circuits of the configuration; the jobs modules are imported for it, and what they print is dropped."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            plan = ctx.ensure_object(Scope).circuit_plan
        except TidegateError:
            return []
    return [] if plan is None else [spec.name for spec in plan.specs.values() if spec.expected]


def kinds_here(ctx: click.Context) -> list[str]:
    """Return the kinds of the jobs modules; they are imported for it, and what they print is dropped."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            return list(ctx.ensure_object(Scope).handlers.kinds())
        except TidegateError:
            return []
