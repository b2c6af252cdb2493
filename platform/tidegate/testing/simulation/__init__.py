"""Deterministic simulation of a fleet: see `world`."""

from tidegate.testing.simulation.gate import Faults
from tidegate.testing.simulation.world import Broken, World, simulate

__all__ = ["Broken", "Faults", "World", "simulate"]
