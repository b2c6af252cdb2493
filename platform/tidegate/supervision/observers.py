"""Who wants to be told what a supervisor does: the runtime turns it into events and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

from tidegate.supervision import reports
from tidegate.supervision.exits import Reason

__all__ = ["Observers"]

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Observers:
    """Callbacks of one supervisor; one that raises costs a line in the log and nothing else."""

    supervisor: str
    on_restart: Callable[[str], None] | None = None
    on_retry: Callable[[str, Reason, float], None] | None = None
    on_zombie: Callable[[str], None] | None = None

    def restarted(self, child_id: str) -> None:
        """Child `child_id` is up again."""
        self._tell(self.on_restart, child_id)

    def down(self, child_id: str, reason: Reason, seconds: float) -> None:
        """Child `child_id` ended or failed to start, and is to be started again in `seconds`."""
        self._tell(self.on_retry, child_id, reason, seconds)

    def abandoned(self, child_id: str) -> None:
        """Child `child_id` outlived its kill."""
        self._tell(self.on_zombie, child_id)

    def _tell(self, observer: Callable[P, None] | None, *facts: P.args, **more: P.kwargs) -> None:
        if observer is None:
            return
        try:
            observer(*facts, **more)
        except Exception as error:  # noqa: BLE001 - a supervisor outlives whoever watches it
            reports.broken_observer(self.supervisor, error)
