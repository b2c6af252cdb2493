"""The table of docs/explanation/chaos.md: a row for each fault, in the order of FAULTS."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row", "with_row"]

BEGIN, END = "<!-- results: make chaos -->", "<!-- end of results -->"


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one fault."""

    fault: str
    counts: tuple[int, int, int, int, int, int]
    """Runs; and over all of them jobs, lost, acked twice, overlapping, rescued."""
    median: float | None
    worst: float | None
    """Seconds; None: the rate never came back."""
    machine: str

    def __str__(self) -> str:
        times = ("never" if each is None else f"{each:.1f} s" for each in (self.median, self.worst))
        return "| " + " | ".join((self.fault, *(f"{each:,}" for each in self.counts), *times, self.machine)) + " |"


def with_row(page: str, row: Row) -> str:
    """Return `page` with `row` in the place of the same fault's, or as the last one."""
    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    lines = table.strip("\n").splitlines()
    place = next((n for n, line in enumerate(lines) if line.startswith(f"| {row.fault} |")), len(lines))
    lines[place : place + 1] = [str(row)]
    return f"{before}{BEGIN}\n\n{chr(10).join(lines)}\n\n{END}{after}"
