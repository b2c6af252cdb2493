"""A supervisor's children in the order of their starts: who is there, and how they are."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.supervision.child import ChildCounts, ChildInfo, ChildState, TreeNode
from tidegate.supervision.errors import ChildNotFound
from tidegate.supervision.slot import Slot
from tidegate.supervision.strategy import Member

__all__ = ["Roster"]


class Roster:
    """Slots by id, oldest first. Walking over it walks over a copy: children come and go meanwhile."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    def __reversed__(self) -> Iterator[Slot]:
        return iter(list(reversed(self._slots.values())))

    def __contains__(self, slot: Slot) -> bool:
        return self._slots.get(slot.id) is slot

    def __getitem__(self, child_id: str) -> Slot:
        if child_id not in self._slots:
            raise ChildNotFound(child_id, tuple(self._slots))
        return self._slots[child_id]

    def get(self, child_id: str) -> Slot | None:
        """Return the slot of child `child_id`, if there is one."""
        return self._slots.get(child_id)

    def add(self, slot: Slot) -> None:
        """Put `slot` behind the others."""
        self._slots[slot.id] = slot

    def forget(self, slot: Slot) -> None:
        """Take `slot` out, if it is there."""
        if slot in self:
            del self._slots[slot.id]

    def members(self) -> list[Member]:
        """Return what strategies need to know."""
        return [slot.member() for slot in self]

    def infos(self) -> list[ChildInfo]:
        """Return one line a child."""
        return [slot.info() for slot in self]

    def nodes(self) -> tuple[TreeNode, ...]:
        """Return the children as nodes of a tree."""
        return tuple(slot.node() for slot in self)

    def counts(self) -> ChildCounts:
        """Return how many there are, and of what type."""
        supervisors = sum(slot.kind == "supervisor" for slot in self)
        return ChildCounts(len(self), self.up(), supervisors, len(self) - supervisors)

    def up(self) -> int:
        """Return how many are up."""
        return sum(slot.state is ChildState.UP for slot in self)
