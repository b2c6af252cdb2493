"""Everything that the doctor looks at, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tidegate.introspection.doctor import checks, lines, machines, upkeep
from tidegate.introspection.doctor.checks import Facts, Finding

__all__ = ["CHECKS"]

CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    checks.schema,
    machines.tables,
    checks.server,
    machines.disk,
    checks.indexes,
    checks.partitions,
    checks.fleet,
    upkeep.budget,
    machines.lost,
    machines.loops,
    machines.clocks,
    checks.kinds,
    lines.lines,
    lines.circuits,
    lines.numbers,
    checks.drift,
    checks.notifications,
    machines.deaf,
    checks.alerts,
    checks.transactions,
    checks.bloat,
    upkeep.vacuum,
    upkeep.wraparound,
    upkeep.swollen,
)
