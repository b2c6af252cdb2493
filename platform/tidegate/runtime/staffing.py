"""How many consumers each queue of this node is to have now: written by who decides, read by who resizes.

It outlives both, so that a pool that was restarted comes back at the size it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from tidegate.settings import QueueSettings

__all__ = ["Post", "Staffing"]


class Post:
    """One queue's."""

    def __init__(self, queue: QueueSettings, *, acts: bool) -> None:
        bounds = queue.consumers
        self.queue = queue
        self.acts = acts
        self.share: int | None = None
        """What the fleet's decision gives this node, before the limits of its host; None before the first one."""
        self.size = bounds.min if acts else bounds.max
        self.reason = "start" if acts else "fixed"
        self.room: int | None = None
        """The most that this host allows at present, where it allows less than was wanted."""
        self.cap: str | None = None
        self.changed = asyncio.Event()

    def set(self, size: int, reason: str) -> None:
        """Want `size` consumers, within the queue's own bounds."""
        bounds = self.queue.consumers
        size = min(max(size, bounds.min), bounds.max)
        self.reason = reason
        if size != self.size:
            self.size = size
            self.changed.set()


class Staffing:
    """The posts of all queues of a node. `acts` False leaves every pool at its max."""

    def __init__(self, queues: Iterable[QueueSettings], *, acts: bool) -> None:
        self._posts = {queue.name: Post(queue, acts=acts and queue.scaling.mode == "act") for queue in queues}

    def __getitem__(self, queue: str) -> Post:
        return self._posts[queue]

    def __iter__(self) -> Iterator[str]:
        return iter(self._posts)

    def wake(self, queue: str) -> bool:
        """Have one consumer at once where there is none and somebody may be needed; tell whether that changed anything."""
        post = self._posts.get(queue)
        if post is None or post.size > 0 or post.reason == "override" or not post.acts:
            return False
        post.set(1, "wake")
        return True
