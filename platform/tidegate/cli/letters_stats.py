"""`tidegate dlq stats`: how many dead letters, of what, and when they died; drawn, where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.letter_filter import Choice, filter_options
from tidegate.cli.output import emit_json, neutral, say
from tidegate.cli.params import json_option
from tidegate.cli.scope import Scope
from tidegate.cli.wording import count, moment
from tidegate.errors import TidegateError, UsageError
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.dead_letters import Group, Statistics

__all__ = ["draw", "stats"]

BARS: Final = " ▁▂▃▄▅▆▇█"
SHOWN: Final = 10  # of each list
LONGEST: Final = 60  # characters of a group's name
HOURS: Final = 48  # of the line that is drawn with words


@click.command("stats", cls=Command)
@filter_options()
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw deaths over time by group into FILE (.png, .svg, .pdf)."
)
@json_option
@click.pass_obj
def stats(scope: Scope, /, plot: Path | None, as_json: bool, **said: Any) -> None:
    """Count dead letters by reason, queue, kind, group and hour."""
    with scope.connection() as connection:
        letters = scope.letters_of(connection)
        wanted = Choice.taken(said).wanted(letters)
        found = letters.stats(wanted)
        hours = {} if plot is None else letters.hours(wanted)
        names = {} if plot is None else {each.fingerprint: _named(each) for each in letters.group(wanted, limit=SHOWN)}
    if as_json:
        emit_json(found.as_json())
    else:
        for line in summary(found):
            click.echo(neutral(line))
    if plot is not None:
        draw(found, hours, plot, names)
        say(f"drawn into {plot}")


def summary(found: Statistics) -> Iterator[str]:
    """Return the statistics for people."""
    yield noun(found.total, "dead letter") + (
        f", the first of {moment(found.first_seen)}, the last of {moment(found.last_seen)}" if found.total else ""
    )
    for title, counts in (
        ("by reason", found.by_reason),
        ("by queue", found.by_queue),
        ("by kind", found.by_kind),
        ("by group", found.by_group),
    ):
        yield from _bars(title, counts)
    if found.by_hour:
        yield ""
        yield from _hours(found)


def draw(
    found: Statistics, by_hour: Mapping[datetime, Mapping[str, int]], file: Path, names: Mapping[str, str] | None = None
) -> None:
    """Draw deaths over time, the largest groups in colours of their own, into a file of the kind that its name says.

    At least a day is drawn, so that one bad hour looks like one.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and half a second of import
    except ImportError:
        raise TidegateError("drawing needs matplotlib, which is not installed", hint="pip install 'tidegate[plot]'") from None
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    if file.suffix.removeprefix(".") not in figure.canvas.get_supported_filetypes():
        raise UsageError(f"--plot: cannot draw into {file.name}", hint="name a file that ends in .png, .svg or .pdf")
    axes: Any = figure.subplots()
    hours, largest = list(by_hour), list(found.by_group)[:SHOWN]
    bottom = [0] * len(hours)
    for name in [*largest, None]:
        heights = [_of(by_hour[hour], name, largest) for hour in hours]
        if any(heights):
            label = "others" if name is None else (names or {}).get(name, name) or "no group"
            axes.bar(hours, heights, bottom=bottom, width=1 / 24, align="edge", label=label)
            bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    axes.set_title(f"{noun(found.total, 'dead letter')} by hour and group")
    axes.set_ylabel("deaths")
    axes.set_xlabel("UTC")
    axes.yaxis.get_major_locator().set_params(integer=True)
    if hours:
        end = max(hours) + timedelta(hours=1)
        axes.set_xlim(min(*hours, end - timedelta(days=1)), end)
        figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    try:
        figure.savefig(file)
    except OSError as error:
        raise TidegateError(f"{file} cannot be written: {error.strerror}") from error


def _named(group: Group) -> str:
    words = f"{group.fingerprint[:8]} {group.error_type or 'no error'} in {', '.join(group.kinds)}".replace("$", r"\$")
    return neutral(words if len(words) <= LONGEST else f"{words[:LONGEST]}...")


def _of(groups: Mapping[str, int], name: str | None, largest: list[str]) -> int:
    if name is None:
        return sum(number for group, number in groups.items() if group not in largest)
    return groups.get(name, 0)


def _bars(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    if not counts:
        return
    yield ""
    yield title
    most = max(counts.values())
    width = max(len(name or "none") for name in list(counts)[:SHOWN])
    for name, number in list(counts.items())[:SHOWN]:
        yield f"  {name or 'none':<{width}}  {count(number):>9}  {'█' * max(round(number / most * 30), 1)}"
    if len(counts) > SHOWN:
        yield f"  and {len(counts) - SHOWN} more"


def _hours(found: Statistics) -> Iterator[str]:
    last = max(found.by_hour)
    hours = [last - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    numbers = [found.by_hour.get(hour, 0) for hour in hours]
    most = max(numbers)
    line = "".join(BARS[-(-number * (len(BARS) - 1) // most)] for number in numbers)
    yield f"the last {HOURS} hours, up to {count(most)} an hour, until {moment(last)}"
    yield f"  |{line}|"
