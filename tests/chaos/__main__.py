"""Every fault, so many times each, and the table of results: python -m tests.chaos [--runs 5] [--page FILE] [FAULT ...]."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.experiment import Result, experiment
from tests.chaos.faults import FAULTS
from tests.chaos.fleet import LEASE, RATE

PAGE = """\
# What survives what

Three nodes run a mixed load ({rate:g} jobs a second: async, threads, batches; failing, retried and dying ones) on a PostgreSQL of
their own, behind a proxy of ours. A fault befalls them; then everything must come to its end. `make chaos` makes this table; a
shorter set of it runs with `make test-all`. Lease {lease:g} s (30 by default), {machine}, {runs} run(s) of each fault.

"Lost": jobs that never ended. "Twice": jobs acked more than once. "Overlaps": runs of one job at the same time although the first
one's lease was still valid. "Rescued": attempts that ended as `lease_lost`. "Recovery": seconds from the end of the fault to the
end of the first half second in which jobs ended at 90% of the rate before it; 0.5 is at once.

| fault | jobs | lost | twice | overlaps | rescued | recovery, median | worst |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], default=[])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args(arguments)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    page = PAGE.format(lease=LEASE, rate=RATE, machine=machine, runs=chosen.runs)
    failed = False
    print(page, end="", flush=True)
    for fault in chosen.faults or FAULTS:
        results = [_run(fault) for _ in range(chosen.runs)]
        row = _row(fault, results)
        page += row
        print(row, end="", flush=True)
        for complaint in (complaint for result in results for complaint in result.ledger.complaints()):
            failed = True
            print(f"{fault}: {complaint}", file=sys.stderr)
    if chosen.page is not None:
        chosen.page.write_text(page, "utf-8")
    return int(failed)


def _run(fault: str) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return experiment(fault, Path(folder))


def _row(fault: str, results: Sequence[Result]) -> str:
    ledgers = [result.ledger for result in results]
    times = [result.recovery for result in results]
    known = [each for each in times if each is not None]
    worst = f"{max(known):.1f}" if len(known) == len(times) else "never"
    cells = [
        (FAULTS[fault].__doc__ or fault).strip(),
        sum(ledger.jobs for ledger in ledgers),
        sum(len(ledger.unfinished) for ledger in ledgers),
        sum(len(ledger.acked_twice) for ledger in ledgers),
        sum(len(ledger.overlapping) for ledger in ledgers),
        sum(ledger.rescued for ledger in ledgers),
        f"{statistics.median(known):.1f} s" if known else "never",
        f"{worst} s",
    ]
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.exit(main())
