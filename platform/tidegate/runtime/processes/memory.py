"""A bound on the memory of this process, by RLIMIT_DATA.

It counts what the process has allocated and may write to, which is what a job's memory means: heap, anonymous mappings, stacks.
RLIMIT_AS would count addresses: a mapped file, a CUDA context, the arenas that every thread reserves are addresses by the gigabyte
and memory by the kilobyte. An allocation over the limit fails, which Python turns into MemoryError.
"""

from __future__ import annotations

import resource
from contextlib import suppress

__all__ = ["lift", "limit"]


def limit(size: int) -> None:
    """Let this process, and each process that it starts, allocate up to `size` bytes; 0 sets no limit."""
    if size:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        with suppress(ValueError, OSError):  # stricter already, by whoever runs the node
            resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def lift() -> None:
    """Take the limit back, as far as this process may."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
