"""What holds after each fault: nothing is lost, nothing is acked twice, no run overlaps another under a valid lease.

make chaos            every fault, five times each, and the table of docs/explanation/chaos.md
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.experiment import experiment
from tests.chaos.faults import FAULTS, IN_CI
from tests.chaos.ledger import Run, overlaps

BACK_WITHIN = 30.0  # seconds; the figures are in the docs, this only tells recovery from its absence


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", IN_CI)
def test_nothing_is_lost_and_nothing_runs_twice_under_a_valid_lease(fault: str, tmp_path: Path) -> None:
    result = experiment(fault, tmp_path)
    assert result.ledger.complaints() == []
    assert result.ledger.jobs > 500
    assert result.recovery is not None
    assert result.recovery < BACK_WITHIN


def test_every_fault_says_what_it_is() -> None:
    assert all(fault.__doc__ for fault in FAULTS.values())
    assert set(IN_CI) <= set(FAULTS)


def test_an_overlap_counts_only_where_the_first_lease_was_not_lost() -> None:
    runs = {1: [Run(1, 1, 0, 5), Run(1, 2, 3, 4)], 2: [Run(2, 1, 1, None), Run(2, 2, 9, 10)]}
    assert overlaps(runs, lost={(2, 1)}) == [(1, 1, 2)]
    assert overlaps(runs, lost={(1, 1), (2, 1)}) == []
    assert overlaps({3: [Run(3, 1, 0, 1), Run(3, 2, 2, 3)]}, lost=set()) == []
