"""What a node can be asked, and how it answers: its tree with what runs, where that stands, and to drain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.runtime.answers import Answer, tree_as_json
from tidegate.runtime.runs import Runs
from tidegate.runtime.stacks import Stacks
from tidegate.supervision import TreeNode

__all__ = ["answers_of"]


def answers_of(
    tree: Callable[[], TreeNode], runs: Runs, *, drain: Sequence[Callable[[], None]], drain_timeout: float
) -> Mapping[str, Answer]:
    """Return the answers of the node whose loop runs here."""
    loop = asyncio.get_running_loop()
    stacks = Stacks(runs, loop=loop, thread=threading.get_ident())

    def describe(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"tree": tree_as_json(tree(), loop.time()), "jobs": stacks.work()}

    def begin_to_drain(_: Mapping[str, Any]) -> Mapping[str, Any]:
        for each in drain:  # a blocked loop comes to it when it runs again
            loop.call_soon_threadsafe(each)
        return {"draining": True, "running": len(runs), "drain_timeout": drain_timeout}

    return {"tree": Answer(describe), "stacks": Answer(stacks, on_loop=False), "drain": Answer(begin_to_drain, on_loop=False)}
