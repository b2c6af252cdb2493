"""One experiment: a fleet at work, a fault, the way back, and the verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.fleet import Fleet, fleet_on
from tests.chaos.ledger import Ledger, recovery

__all__ = ["WITHIN", "Result", "experiment"]

BEFORE = 6.0  # seconds of work before the fault
LEAST, MOST = 5.0, 12.0  # and after it: until the rate is back, and as long as that is waited for
WITHIN = 10.0  # seconds after the end of the fault: by then the rate is to be back
SETTINGS = {"max_connections": "60", "synchronous_commit": "on"}  # slots that a moment exhausts; commits that outlive a kill


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one experiment."""

    fault: str
    ledger: Ledger
    rate: float
    """Jobs per second before the fault."""
    recovery: float | None
    """Seconds from the end of the fault until 90% of that rate was back, for two seconds at least; None: it never was."""
    server: str
    day: str
    """What it ran on, and when, by the database's clock."""

    @property
    def in_time(self) -> bool:
        """Tell whether the rate was back within ten seconds."""
        return self.recovery is not None and self.recovery <= WITHIN

    def complaints(self) -> list[str]:
        """Return what does not hold, in words."""
        said = self.ledger.complaints()
        if not self.in_time:
            back = "never" if self.recovery is None else f"after {self.recovery:.1f} s"
            said.append(f"missed: 90% of {self.rate:.0f} jobs/s was back {back}, not within {WITHIN:.0f} s")
        return said


def experiment(fault: str, folder: Path) -> Result:
    """Let `fault` befall a fleet of three nodes under load."""
    with fleet_on(folder, settings=SETTINGS) as fleet:
        fleet.feed()
        fleet.wait_until_at_work(60)
        time.sleep(BEFORE)
        rate = fleet.rate(BEFORE / 2)
        assert rate > 0, "the fleet did nothing before the fault"
        FAULTS[fault](fleet)
        back = _way_back(fleet, rate)
        fleet.stop_feeding()
        fleet.wait_until_empty(240)  # two minutes without the database leave more than that of work
        ledger = Ledger.of(fleet.database, fleet.trace, fleet.enqueued)
        return Result(fault, ledger, rate, back, fleet.version(), f"{fleet.date():%Y-%m-%d}")


def _way_back(fleet: Fleet, rate: float) -> float | None:
    """Go on with the load until the rate is back."""
    healed, begun = fleet.date(), time.monotonic()
    while True:
        time.sleep(0.5)
        back, passed = recovery(fleet.database, rate, healed), time.monotonic() - begun
        if passed >= (LEAST if back is not None else MOST):
            return back
