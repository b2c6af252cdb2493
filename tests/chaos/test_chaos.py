"""What holds after each fault: nothing is lost, nothing is acked twice, no run overlaps another under a valid lease.

make chaos            every fault, five times each, and the table of docs/explanation/chaos.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.__main__ import main, row_of
from tests.chaos.experiment import Result, experiment
from tests.chaos.faults import FAULTS, IN_CI
from tests.chaos.ledger import Ledger, Run, back_at, overlaps
from tests.chaos.page import BEGIN, END, HEAD, Row, with_row
from tests.chaos.small_disk import Unavailable
from tests.support.processes import ROOT

BACK_WITHIN = 30.0  # seconds; the figures are in the docs, this only tells recovery from its absence


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", IN_CI)
def test_nothing_is_lost_and_nothing_runs_twice_under_a_valid_lease(fault: str, tmp_path: Path) -> None:
    result = experiment(fault, tmp_path)
    assert result.ledger.complaints() == []
    assert result.ledger.jobs > 300
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


def test_the_rate_is_back_where_it_stays_for_two_seconds() -> None:
    assert back_at({0: 30, 1: 30, 2: 30, 3: 30}, 54.0) == 0.5
    assert back_at({0: 60, 4: 30, 5: 30, 6: 30, 7: 30, 8: 30}, 54.0) == 2.5
    assert back_at({2: 200}, 54.0) == 1.5  # what waited is worked off at once
    assert back_at({0: 10, 1: 12, 2: 9}, 54.0) is None
    assert back_at({}, 54.0) is None


def test_a_rate_that_comes_back_late_is_a_complaint_as_a_lost_job_is() -> None:
    def result(recovery: float | None, **ledger: Any) -> Result:
        return Result("node_killed", Ledger(jobs=10, **ledger), 60.0, recovery, "PostgreSQL 15.18", "2026-11-24")

    assert result(10.0).complaints() == []
    assert result(10.5).complaints() == ["missed: 90% of 60 jobs/s was back after 10.5 s, not within 10 s"]
    assert result(None, unfinished=[7]).complaints() == [
        "unfinished: [7] (1)",
        "missed: 90% of 60 jobs/s was back never, not within 10 s",
    ]
    row = row_of("node_killed", 3, [result(0.5, charged_unstarted=[1]), result(12.0, without_reason=[2])])
    assert (row.runs, row.counts) == ("3, 1 without a verdict", (20, 1, 0, 0, 1, 0))
    assert (row.median, row.worst, row.in_time) == (6.25, 12.0, "missed: 1 of 3")
    assert row.measured.startswith("2026-11-24, ")


def test_a_run_without_a_verdict_takes_no_other_along(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(fault: str, folder: Path) -> Result:
        del folder
        if fault == "node_killed":
            raise AssertionError("the node did not say that it serves")
        if fault == "disk_full":
            raise Unavailable("no root")
        return Result(fault, Ledger(jobs=10), 60.0, 0.5, "PostgreSQL 15.18", "2026-11-24")

    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n", "utf-8")
    monkeypatch.setattr("tests.chaos.__main__.experiment", play)
    assert main(["--runs", "2", "--page", str(page), "node_killed", "disk_full", "half_open"]) == 1
    assert [line.split(" | ")[1] for line in page.read_text("utf-8").splitlines() if line.startswith("| ")][2:] == ["2"]
    said = capsys.readouterr()
    assert "node_killed, run 2: no verdict: AssertionError: the node did not say that it serves" in said.err
    assert "disk_full: not tried: no root" in said.err
    assert main(["--runs", "1", "half_open"]) == 0


def test_the_page_has_one_row_for_each_fault_whatever_is_run_again() -> None:
    def row(fault: str, median: float, worst: float | None) -> Row:
        return Row(fault, "5", (1_200, 0, 0, 0, 0, 3), median, worst, "5 of 5", "today")

    page = f"before\n{BEGIN}\n\n| fault |\n| --- |\n\n{END}\nafter\n"
    once = with_row(with_row(page, row("a", 0.5, 1.0)), row("b", 0.5, None))
    again = with_row(once, row("a", 2.0, 2.5))
    assert [line for line in again.splitlines() if line.startswith("|")] == [
        *HEAD.splitlines(),
        "| a | 5 | 1,200 | 0 | 0 | 0 | 0 | 3 | 2.0 s | 2.5 s | 5 of 5 | today |",
        "| b | 5 | 1,200 | 0 | 0 | 0 | 0 | 3 | 0.5 s | never | 5 of 5 | today |",
    ]
    assert again.startswith("before\n")
    assert again.endswith("\nafter\n")
    assert with_row((ROOT / "docs/explanation/chaos.md").read_text("utf-8"), row("a", 0.5, 1.0))
