"""What a process that runs jobs, and nothing else, changes in its interpreter.

For `tidegate up` and the processes of consumers. A node inside somebody's program leaves that program's interpreter alone.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from time import monotonic
from typing import Final

__all__ = ["loop_factory", "spare_collections"]

YOUNG: Final = 10_000
"""Objects that come to be before the collector looks at the young ones, for Python's 700: a node holds thousands of jobs for some
milliseconds each, and would have them walked, found alive and promoted again and again (a tenth of its CPU in benchmarks/drain.py).
"""


def spare_collections() -> None:
    """Let the collector pass over what is there now, modules above all, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's loop where that is installed, None where it is not; for processes of consumers.

    A node stays on asyncio's, whose frames tell its watchdog which job blocks it (docs/decisions/016). uvloop's own clock counts
    whole milliseconds and stands still within a turn; this one's goes on, since durations of jobs are taken from it.
    """
    try:
        import uvloop  # noqa: PLC0415 - used where it is installed
    except ImportError:
        return None

    class Loop(uvloop.Loop):
        def time(self) -> float:
            return monotonic()

    return Loop
