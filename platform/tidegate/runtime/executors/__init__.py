"""Where a handler runs: on the node's loop, or in a thread."""

from tidegate.runtime.executors.executor import Executor, Raised, RunEnded, answer, storable
from tidegate.runtime.executors.loop import LoopExecutor
from tidegate.runtime.executors.thread import ThreadExecutor

__all__ = ["Executor", "LoopExecutor", "Raised", "RunEnded", "ThreadExecutor", "answer", "storable"]
