"""What a user's own database gives: `tidegate bench` measures one node in a database of its own on the same server."""

from tidegate.benchmark.measuring import Figures, measure
from tidegate.benchmark.scratch import scratch_database

__all__ = ["Figures", "measure", "scratch_database"]
