"""Rows for people: rich where somebody looks at a terminal, aligned plain text anywhere else.

A table that does not fit a narrow terminal is shown one record after the other. No meaning is carried by colour alone.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import click

from tidegate.cli.output import neutral

__all__ = ["Column", "plain_table", "show_record", "show_table", "widths_within"]

GAP: Final = "  "
NARROWEST: Final = 12  # what a column that may be cut keeps


class Column(NamedTuple):
    """A column: its title, whether it holds numbers, and whether a long value may be cut on a terminal."""

    title: str
    right: bool = False
    cut: bool = False


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Write rows to standard output; where there are none, say so in words on standard error."""
    cells = [[neutral(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(neutral(empty), err=True)
    elif not sys.stdout.isatty():
        for line in plain_table(columns, cells):
            click.echo(line)
    else:
        _show_on_terminal(columns, cells)


def show_record(fields: Iterable[tuple[str, str]]) -> None:
    """Write one record, a field a line; a value of several lines goes below its name, indented."""
    shown = [(name, neutral(value, lines=True)) for name, value in fields]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        if "\n" in value:
            click.echo(f"{name}:")
            for line in value.splitlines():
                click.echo(f"  {line}")
        else:
            click.echo(f"{name + ':':<{width + 1}} {value}".rstrip())


def plain_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table without any decoration."""
    rows = [[column.title for column in columns], *cells]
    widths = [max(_width(row[at]) for row in rows) for at in range(len(columns))]
    return [GAP.join(_padded(cell, widths[at], right=columns[at].right) for at, cell in enumerate(row)).rstrip() for row in rows]


def widths_within(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return how wide each column is in a table of `width`, columns that may be cut giving way; None where it cannot fit."""
    natural = [max(_width(cell) for cell in [column.title, *(row[at] for row in cells)]) for at, column in enumerate(columns)]
    excess = sum(natural) + len(GAP) * (len(columns) - 1) - width
    for at, column in enumerate(columns):
        if column.cut and excess > 0:
            given = min(excess, max(natural[at] - max(NARROWEST, len(column.title)), 0))
            natural[at] -= given
            excess -= given
    return natural if excess <= 0 else None


def _show_on_terminal(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - 50 ms that only a terminal is worth
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    console = Console()
    widths = widths_within(columns, cells, console.width)
    if widths is None:
        for number, row in enumerate(cells):
            if number:
                click.echo()
            show_record((column.title.lower(), cell) for column, cell in zip(columns, row, strict=True))
        return
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis", width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _width(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 0 if unicodedata.combining(each) else 1 for each in text)


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
