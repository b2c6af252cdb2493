"""One experiment: a fleet at work, a fault, the way back, and the ledger."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.fleet import fleet_on
from tests.chaos.ledger import Ledger, recovery

__all__ = ["Result", "experiment"]

BEFORE = 6.0  # seconds of work before the fault
AFTER = 12.0  # and after it
SETTINGS = {"max_connections": "60", "synchronous_commit": "on"}  # slots that a moment exhausts; commits that outlive a kill


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one experiment."""

    fault: str
    ledger: Ledger
    rate: float
    """Jobs per second before the fault."""
    recovery: float | None
    """Seconds from the end of the fault until 90% of that rate was back; None: it never was."""


def experiment(fault: str, folder: Path) -> Result:
    """Let `fault` befall a fleet of three nodes under load."""
    with fleet_on(folder, settings=SETTINGS) as fleet:
        fleet.feed()
        time.sleep(BEFORE)
        rate = fleet.rate(BEFORE / 2)
        FAULTS[fault](fleet)
        healed = fleet.date()
        time.sleep(AFTER)
        fleet.stop_feeding()
        fleet.wait_until_empty(240)  # two minutes without the database leave more than that of work
        ledger = Ledger.of(fleet.database, fleet.trace, fleet.enqueued)
        return Result(fault, ledger, rate, recovery(fleet.database, rate, healed))
