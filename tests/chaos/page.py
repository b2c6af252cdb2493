"""The table of docs/explanation/chaos.md: a row for each fault, whatever is run again and in which order."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HEAD", "Row", "with_row"]

BEGIN, END = "<!-- results: make chaos -->", "<!-- end of results -->"
HEAD = (
    "| fault | runs | jobs | lost | twice | overlaps | charged | rescued | recovery, median | worst | within 10 s | measured |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one fault."""

    fault: str
    runs: str
    """How many, and how many of them came to a verdict where that is fewer."""
    counts: tuple[int, int, int, int, int, int]
    """Over all of them: jobs, lost, acked twice, overlapping, charged without a start, rescued."""
    median: float | None
    worst: float | None
    """Seconds; None: the rate never came back."""
    in_time: str
    measured: str

    def __str__(self) -> str:
        times = ("never" if each is None else f"{each:.1f} s" for each in (self.median, self.worst))
        return (
            "| " + " | ".join((self.fault, self.runs, *(f"{n:,}" for n in self.counts), *times, self.in_time, self.measured)) + " |"
        )


def with_row(page: str, row: Row) -> str:
    """Return `page` with `row` in the place of the same fault's, or as the last one."""
    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    place = next((n for n, line in enumerate(lines) if line.startswith(f"| {row.fault} |")), len(lines))
    lines[place : place + 1] = [str(row)]
    return f"{before}{BEGIN}\n\n{HEAD}\n{chr(10).join(lines)}\n\n{END}{after}"
