"""Help for testing what runs on Tidegate: a loop on which time is jumped, not waited for.

`tidegate.testing.memory` is a database in memory, `tidegate.testing.simulation` plays whole fleets on it under faults from a seed.
"""

from tidegate.testing.loop import VirtualTimeLoop, run_virtual

__all__ = ["VirtualTimeLoop", "run_virtual"]
