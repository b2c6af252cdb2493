"""A database in memory that keeps the store's promises, for simulation: every verb takes effect at one instant of a virtual clock.

It passes the conformance tests of tests/store, as PostgreSQL does.
"""

from tidegate.testing.memory.scaling import MemoryScaling
from tidegate.testing.memory.store import MemoryLine, MemoryStore
from tidegate.testing.memory.tables import MemoryDatabase, Row

__all__ = ["MemoryDatabase", "MemoryLine", "MemoryScaling", "MemoryStore", "Row"]
