"""Help for testing what runs on Tidegate: a loop on which time is jumped, not waited for."""

from tidegate.testing.loop import VirtualTimeLoop, run_virtual

__all__ = ["VirtualTimeLoop", "run_virtual"]
