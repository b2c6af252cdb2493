"""What holds after each fault: nothing is lost, nothing is acked twice, no run overlaps another under a valid lease.

make chaos            every fault, five times each, and the table of docs/explanation/chaos.md
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.experiment import experiment
from tests.chaos.faults import FAULTS, IN_CI
from tests.chaos.ledger import Run, overlaps
from tests.chaos.page import BEGIN, END, Row, with_row
from tests.support.processes import ROOT

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


def test_the_page_has_one_row_for_each_fault_whatever_is_run_again() -> None:
    counts = (5, 1_200, 0, 0, 0, 3)
    page = f"before\n{BEGIN}\n\n| fault |\n| --- |\n\n{END}\nafter\n"
    once = with_row(with_row(page, Row("a", counts, 0.5, 1.0, "m")), Row("b", counts, 0.5, None, "m"))
    again = with_row(once, Row("a", counts, 2.0, 2.5, "m"))
    assert [line for line in again.splitlines() if line.startswith("|")][2:] == [
        "| a | 5 | 1,200 | 0 | 0 | 0 | 3 | 2.0 s | 2.5 s | m |",
        "| b | 5 | 1,200 | 0 | 0 | 0 | 3 | 0.5 s | never | m |",
    ]
    assert again.startswith("before\n")
    assert again.endswith("\nafter\n")
    assert with_row((ROOT / "docs/explanation/chaos.md").read_text("utf-8"), Row("a", counts, 0.5, 1.0, "m"))
