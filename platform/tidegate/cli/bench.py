"""`tidegate bench`: what one node reaches on the user's own server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import click

from tidegate.cli.lazy import Command
from tidegate.cli.output import data, emit_json, say
from tidegate.cli.params import Number, json_option
from tidegate.cli.scope import Scope

if TYPE_CHECKING:
    from tidegate.benchmark import Figures

__all__ = ["bench"]

JOBS: Final = Number(1_000, 10_000_000, "a number of jobs")


@click.command("bench", cls=Command)
@click.option("--jobs", type=JOBS, default=20_000, show_default=True, metavar="N", help="How many no-op jobs are drained.")
@json_option
@click.pass_obj
def bench(scope: Scope, jobs: int, as_json: bool) -> None:
    """Measure what one node reaches on this database server.

    It works in a database of its own on the same server, which it makes and drops: your jobs are not touched, but your server is
    busy meanwhile. The node runs in this very process.
    """
    from tidegate.benchmark import measure, scratch_database  # noqa: PLC0415 - a node costs what `--help` should not pay
    from tidegate.introspection.asking import asking  # noqa: PLC0415 - likewise

    with scope.place() as database, asking("measure"), scratch_database(database.conninfo) as scratch:
        figures = asyncio.run(measure(scratch, jobs, on_progress=lambda what: say(f"{what} ...")))
    if as_json:
        emit_json(figures.as_json())
    else:
        _show(figures)


def _show(figures: Figures) -> None:
    rows = (
        ("a round trip", f"{figures.round_trip:.2f} ms", "a statement that does nothing"),
        ("enqueue, one by one", f"{figures.enqueue_one_by_one:,.0f} jobs/s", "one client, one after the other"),
        ("enqueue_many", f"{figures.enqueue_many:,.0f} jobs/s", "10,000 a call"),
        ("drain", f"{figures.drain:,.0f} jobs/s", f"one node, no-op jobs, {figures.cpu_per_job:.0f} us of CPU each"),
        ("its statements alone", f"{figures.statements_alone:,.0f} jobs/s", f"the node reaches {figures.of_server:.2f} of them"),
        (
            "idle, enqueue to start",
            f"{figures.latency_p50:.1f} ms",
            f"P95 {figures.latency_p95:.1f}, P99 {figures.latency_p99:.1f}",
        ),
    )
    data(f"PostgreSQL {figures.server}, {figures.jobs:,} jobs, one run")
    for name, value, words in rows:
        data(f"{name:24}{value:>18}   {words}")
