"""Every fault, so many times each, and the table of results: python -m tests.chaos [--runs 5] [--page FILE] [FAULT ...].

With --page each row of FILE's table is replaced as soon as its fault is through, so that a part of a long run counts, too.
"""

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
from tests.chaos.page import Row, with_row
from tests.chaos.small_disk import Unavailable


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], default=[])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args(arguments)
    failed = False
    for fault in chosen.faults or FAULTS:
        try:
            results = [_run(fault) for _ in range(chosen.runs)]
        except Unavailable as error:
            print(f"{fault}: not tried: {error}", file=sys.stderr)
            continue
        row = _row(fault, results)
        print(row, flush=True)
        if chosen.page is not None:
            chosen.page.write_text(with_row(chosen.page.read_text("utf-8"), row), "utf-8")
        for complaint in (complaint for result in results for complaint in result.ledger.complaints()):
            failed = True
            print(f"{fault}: {complaint}", file=sys.stderr)
    return int(failed)


def _run(fault: str) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return experiment(fault, Path(folder))


def _row(fault: str, results: Sequence[Result]) -> Row:
    ledgers = [result.ledger for result in results]
    times = [result.recovery for result in results]
    known = [each for each in times if each is not None]
    return Row(
        (FAULTS[fault].__doc__ or fault).strip(),
        (
            len(results),
            sum(ledger.jobs for ledger in ledgers),
            sum(len(ledger.unfinished) for ledger in ledgers),
            sum(len(ledger.acked_twice) for ledger in ledgers),
            sum(len(ledger.overlapping) for ledger in ledgers),
            sum(ledger.rescued for ledger in ledgers),
        ),
        statistics.median(known) if known else None,
        max(known) if len(known) == len(times) else None,
        f"{os.cpu_count()} cores, Python {platform.python_version()}",
    )


if __name__ == "__main__":
    sys.exit(main())
