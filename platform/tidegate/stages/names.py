"""The names of stages in this process: whoever subscribes to a name gets the stage that lives under it at that moment."""

from __future__ import annotations

from typing import Final

from tidegate.supervision.registry import Registry

__all__ = ["names"]

names: Final[Registry[str, None]] = Registry()
"""A stage has its name from before its `init` until its end is announced; a second one under the same name does not start (G7)."""
