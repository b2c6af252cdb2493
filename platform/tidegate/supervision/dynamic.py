"""A supervisor for children that come and go, many alike, none of which depends on another (D1-D3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import ClassVar

from tidegate.supervision.child import AutoShutdown, Child, ChildSpec, Strategy
from tidegate.supervision.errors import BadCombination, ChildNotFound, MaxChildren
from tidegate.supervision.exits import Reason
from tidegate.supervision.slot import Slot
from tidegate.supervision.supervisor import Supervisor

__all__ = ["DynamicSupervisor"]


class DynamicSupervisor(Supervisor):
    """Starts empty, restarts one_for_one, and stops all its children at once, each within its own time.

    Children are addressed by the object that `start_child` returned. Ids need not be unique: a second child of the same id gets a
    number behind it. A child that ended or was terminated is forgotten. `max_children` counts those being restarted, too;
    `extra_arguments` are passed to every spec's `start`.
    """

    _keeps_specs: ClassVar[bool] = False

    def __init__(
        self,
        *,
        max_children: int | None = None,
        extra_arguments: Sequence[object] = (),
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: float | None = 3,
        period: float = 5.0,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        name: str | None = None,
        clock: Callable[[], float] | None = None,
        rng: Random | None = None,
        on_restart: Callable[[str], None] | None = None,
        on_retry: Callable[[str, Reason, float], None] | None = None,
        on_zombie: Callable[[str], None] | None = None,
    ) -> None:
        if strategy is not Strategy.ONE_FOR_ONE or auto_shutdown is not AutoShutdown.NEVER:
            hint = "use Supervisor for children that depend on each other"
            raise BadCombination("a DynamicSupervisor is one_for_one and never shuts down by itself", hint=hint)
        super().__init__(
            intensity=intensity,
            period=period,
            name=name,
            clock=clock,
            rng=rng,
            on_restart=on_restart,
            on_retry=on_retry,
            on_zombie=on_zombie,
        )
        self.max_children = max_children
        self._arguments = tuple(extra_arguments)
        self._numbers = count(2)

    async def terminate_child(self, id: str | Child) -> None:  # noqa: A002 - the public name
        """Stop a child, given itself or its id, and forget it."""
        await super().terminate_child(id if isinstance(id, str) else self._id_of(id))

    async def _close(self) -> None:
        await self._halt_together()

    def _admit(self, spec: ChildSpec) -> Slot:
        if self.max_children is not None and len(self._roster) >= self.max_children:
            raise MaxChildren(self.max_children)
        child_id = spec.id
        while self._roster.get(child_id) is not None:
            child_id = f"{spec.id}-{next(self._numbers)}"
        return self._add(replace(spec, id=child_id))

    def _id_of(self, child: Child) -> str:
        for slot in self._roster:
            if slot.child is child:
                return slot.id
        raise ChildNotFound(repr(child))
