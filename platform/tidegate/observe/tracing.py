"""Traces of a program of Tidegate's own (`up`, `demo`, `enqueue`), exported as the standard OTEL_ variables say.

    with exported(os.environ):                # what is recorded meanwhile goes where the variables say, the rest of it at the end
        ...

An application that uses Tidegate as a library configures its SDK itself, and Tidegate finds it. What a job leaves in a trace is the
subject of `tidegate.spans`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tidegate.spans.sdk import send_the_rest, set_up

__all__ = ["exported"]


@contextmanager
def exported(environ: Mapping[str, str] = os.environ) -> Iterator[bool]:
    """Export what is recorded in this block, where `environ` asks for it; yields whether it does. Once in a process.

    Raises ConfigurationError where an exporter is asked for by a name that nobody knows.
    """
    provider = set_up(environ)
    try:
        yield provider is not None
    finally:
        if provider is not None:
            send_the_rest(provider)
