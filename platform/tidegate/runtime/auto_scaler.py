"""The last child of each queue: makes the pool as large as is wanted, whenever that changes.

What is wanted is decided for the whole fleet (see fleet_scaler). Resizing waits for nothing: consumers start and leave while the
next decision comes. Nobody busy is killed.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.runtime.consumer_pool import ConsumerPool
from tidegate.runtime.staffing import Post
from tidegate.supervision import FunctionChild

__all__ = ["AutoScaler"]


class AutoScaler(FunctionChild):
    """Keeps one pool at the size that its post says."""

    def __init__(self, post: Post, pool: ConsumerPool) -> None:
        super().__init__(self._run, name=f"{post.queue.name}.scaler")
        self._post = post
        self._pool = pool

    def describe(self) -> Mapping[str, object]:
        """Return the size that is wanted, and why."""
        return {"size": self._post.size, "reason": self._post.reason}

    async def _run(self) -> None:
        while True:
            self._post.changed.clear()
            self._pool.aim(self._post.size)
            await self._post.changed.wait()
