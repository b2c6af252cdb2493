"""What a process that runs jobs, and nothing else, changes in its interpreter.

For `tidegate up` and the processes of consumers. A node inside somebody's program leaves that program's interpreter alone.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, Final, TypeVar

__all__ = ["loop_factory", "run", "spare_collections"]

T = TypeVar("T")

YOUNG: Final = 10_000
"""Objects that come to be before the collector looks at the young ones, for Python's 700: a node holds thousands of jobs for some
milliseconds each, and would have them walked, found alive and promoted again and again (a tenth of its CPU in benchmarks/drain.py).
"""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program to its end, as `asyncio.run` does, on the loop that such a process has."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def spare_collections() -> None:
    """Let the collector pass over what is there now, modules above all, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's loop where that is installed, None where it is not.

    Its clock counts whole milliseconds and stands still within a turn. Ours goes on, since durations of jobs are taken from it.
    """
    try:
        import uvloop  # noqa: PLC0415 - used where it is installed
    except ImportError:
        return None

    class Loop(uvloop.Loop):
        def time(self) -> float:
            return monotonic()

    return Loop
