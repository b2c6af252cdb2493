"""Every fault, so many times each, and the table of results: python -m tests.chaos [--runs 5] [--page FILE] [FAULT ...].

With --page each row of FILE's table is replaced as soon as its fault is through, so that a part of a long run counts, too. A run
that comes to no verdict is told and counts as failed; the others go on. Exit code 1: something that is checked did not hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.experiment import Result, experiment
from tests.chaos.faults import FAULTS
from tests.chaos.page import HEAD, Row, with_row
from tests.chaos.small_disk import Unavailable


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], default=[])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args(arguments)
    failed: list[str] = []
    begun = time.monotonic()
    print(HEAD, flush=True)
    for fault in chosen.faults or FAULTS:
        try:
            results, complaints = _runs(fault, chosen.runs)
        except Unavailable as error:
            print(f"{fault}: not tried: {error}", file=sys.stderr)
            continue
        if results:
            row = row_of(fault, chosen.runs, results)
            print(row, flush=True)
            if chosen.page is not None:
                chosen.page.write_text(with_row(chosen.page.read_text("utf-8"), row), "utf-8")
        failed += complaints
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes", file=sys.stderr)
    for complaint in failed:
        print(complaint, file=sys.stderr)
    return int(bool(failed))


def _runs(fault: str, runs: int) -> tuple[list[Result], list[str]]:
    """Return what came of the runs, and what did not hold in them."""
    results: list[Result] = []
    complaints: list[str] = []
    for run in range(1, runs + 1):
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                result = experiment(fault, Path(folder))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told with its traceback; what other runs and faults come to is not lost by it
            traceback.print_exc()
            said = [f"no verdict: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"]
        else:
            results.append(result)
            said = result.complaints()
        complaints += (told := [f"{fault}, run {run}: {each}" for each in said])
        print(f"{fault}, run {run} of {runs}: {time.monotonic() - begun:.0f} s", *told, sep="\n  ", file=sys.stderr, flush=True)
    return results, complaints


def row_of(fault: str, runs: int, results: Sequence[Result]) -> Row:
    """Return the row of one fault's results, of which there is at least one."""
    ledgers = [result.ledger for result in results]
    times = [result.recovery for result in results]
    known = [each for each in times if each is not None]
    in_time = sum(result.in_time for result in results)
    return Row(
        (FAULTS[fault].__doc__ or fault).strip(),
        str(runs) if len(results) == runs else f"{runs}, {runs - len(results)} without a verdict",
        (
            sum(ledger.jobs for ledger in ledgers),
            sum(len(ledger.unfinished) + len(ledger.without_reason) for ledger in ledgers),
            sum(len(ledger.acked_twice) for ledger in ledgers),
            sum(len(ledger.overlapping) for ledger in ledgers),
            sum(len(ledger.charged_unstarted) for ledger in ledgers),
            sum(ledger.rescued for ledger in ledgers),
        ),
        statistics.median(known) if known else None,
        max(known) if len(known) == len(times) else None,
        f"{in_time} of {runs}" if in_time == runs else f"missed: {in_time} of {runs}",
        f"{results[-1].day}, {os.cpu_count()} cores, {results[-1].server}, Python {platform.python_version()}",
    )


if __name__ == "__main__":
    sys.exit(main())
