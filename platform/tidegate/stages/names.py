"""Names of stages in this process: whoever subscribes to a name gets the stage that lives under it now."""

from __future__ import annotations
from typing import Any
from tidegate.supervision.errors import AlreadyRegistered


class Names:
    def __init__(self) -> None:
        self._d: dict[str, Any] = {}

    def enter(self, stage: Any) -> None:
        if stage.name is None:
            return
        old = self._d.get(stage.name)
        if old is not None and old.alive:
            raise AlreadyRegistered(stage.name, old)
        self._d[stage.name] = stage

    def leave(self, stage: Any) -> None:
        if self._d.get(stage.name) is stage:
            del self._d[stage.name]

    def find(self, name: str) -> Any:
        s = self._d.get(name)
        return s if s is not None and s.alive else None


names = Names()
