"""`tidegate autoscaler`: why queues have the sizes they have, and what another policy would have made of the same load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import data, emit_json, say
from tidegate.cli.params import QUEUE, SECONDS, Number, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.tables import Column, show_table
from tidegate.cli.wording import NOTHING, count, moment, span

if TYPE_CHECKING:
    from tidegate.introspection import DecisionView
    from tidegate.scaling import Figures

__all__ = ["autoscaler"]

HISTORY: Final = (
    Column("AT"),
    Column("FROM", right=True),
    Column("TO", right=True),
    Column("NEED", right=True),
    Column("REASON"),
    Column("READY", right=True),
    Column("ARRIVALS/S", right=True),
    Column("A JOB TAKES", right=True),
    Column("OLDEST", right=True),
)
FIGURES: Final = (
    Column("POLICY"),
    Column("P50", right=True),
    Column("P95", right=True),
    Column("P99", right=True),
    Column("LATE", right=True),
    Column("CONSUMER-S", right=True),
    Column("COST", right=True),
    Column("CHANGES", right=True),
    Column("PEAK", right=True),
)
MOST: Final = 1_000_000


@click.group(cls=Group)
def autoscaler() -> None:
    """Explain, record and simulate how many consumers queues have."""


@autoscaler.command("explain")
@click.argument("queue", type=QUEUE)
@json_option
@click.pass_obj
def explain(scope: Scope, queue: str, as_json: bool) -> None:
    """Tell why a queue has the size it has, and what would change it."""
    from tidegate.introspection import Sizes, explained  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        view = scope.inspector_of(connection).queue(queue)
        sizes = Sizes(connection)
        order, recent = sizes.order(queue), sizes.history(queue, limit=5)
    declared = scope.settings.queue(queue) if queue in scope.settings.queue_names else None
    target, mode = (declared.scaling.target_latency, declared.scaling.mode) if declared else (None, "act")
    told = list(explained(view, order, recent, target=target, mode=mode))
    if as_json:
        decisions = [each.as_json() for each in recent]
        emit_json({**order.as_json(), "target_latency": target, "mode": mode, "explanation": told, "decisions": decisions})
        return
    for sentence in told:
        data(sentence)


@autoscaler.command("history")
@click.argument("queue", type=QUEUE)
@click.option("--plot", metavar="FILE.png", is_flag=False, flag_value="", help="Draw depth, wait, need and size over time.")
@limit_option
@json_option
@click.pass_obj
def history(scope: Scope, queue: str, plot: str | None, limit: int, as_json: bool) -> None:
    """List the decisions on a queue's size, the newest first."""
    from tidegate.introspection import Sizes  # noqa: PLC0415 - likewise

    with scope.connection() as connection:
        scope.inspector_of(connection).queue(queue)
        found = Sizes(connection).history(queue, limit=limit if plot is None else MOST)
    if plot is not None:
        from tidegate.cli.pictures import draw_history  # noqa: PLC0415 - likewise

        say(f"drawn: {draw_history(found, queue, plot or f'{queue}-history.png')}")
        found = found[:limit]
    if as_json:
        emit_json([each.as_json() for each in found])
    elif plot is None:
        show_table(HISTORY, map(_row, found), empty=f"no decision on queue {queue} is on record")


@autoscaler.command("record")
@click.argument("queue", type=QUEUE)
@click.option("--for", "age", type=SECONDS, metavar="TIME", default="7d", show_default=True, help="How much of the past.")
@click.pass_obj
def record(scope: Scope, queue: str, age: float) -> None:
    """Print a queue's past load as a trace for `simulate`: how many jobs came when, and how long they took."""
    from tidegate.introspection import Sizes, recorded  # noqa: PLC0415 - likewise

    with scope.connection() as connection:
        scope.inspector_of(connection).queue(queue)
        found = Sizes(connection).history(queue, limit=MOST, age=age)
    if not found:
        say(f"no load of queue {queue} is on record")
    for line in recorded(found):
        click.echo(line)


@autoscaler.command("simulate")
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME", help="deadline, steps, fixed or module:function; several times."
)
@click.option("--target-latency", type=SECONDS, metavar="TIME", default="5s", show_default=True)
@click.option("--min", "least", type=Number(0, 10_000, "a number of consumers"), default=1, show_default=True)
@click.option("--max", "most", type=Number(1, 10_000, "a number of consumers"), default=40, show_default=True)
@click.option("--startup", type=SECONDS, metavar="TIME", default="1s", show_default=True, help="Until a new consumer works.")
@click.option("--tick", type=SECONDS, metavar="TIME", default="1s", show_default=True, help="Between decisions.")
@click.option("--service", type=SECONDS, metavar="TIME", help="How long a job takes, where the trace does not say.")
@click.option(
    "--variation", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Its squared coefficient of variation."
)
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="How many times as fast."
)
@click.option("--seed", type=Number(0, 2**31, "a seed"), default=1, show_default=True, help="For what a trace leaves to chance.")
@click.option("--plot", metavar="FILE.png", is_flag=False, flag_value="", help="Draw them.")
@json_option
def simulate_trace(trace: str, as_json: bool, **options: Any) -> None:
    """Replay a trace under one policy or several: waits, consumer-seconds, changes.

    TRACE is CSV or lines of JSON: a row for each job (arrival, service), or for each bucket of time (timestamp, count). COST is
    consumer-seconds over the fewest that any policy could do with.
    """
    from tidegate.cli.simulating import Asked, replay  # noqa: PLC0415 - costs what `--help` should not pay

    plot = options.pop("plot")
    asked = Asked(trace=trace, drawn=plot is not None, **options)
    runs = replay(asked)
    if plot is not None:
        from tidegate.cli.pictures import draw_runs  # noqa: PLC0415 - likewise

        say(f"drawn: {draw_runs(runs, asked.target_latency, plot or 'simulation.png')}")
    if as_json:
        emit_json([figures.as_json() for figures, _ in runs])
    else:
        show_table(FIGURES, (_figures(figures) for figures, _ in runs), empty="no policy was asked for")


def _row(view: DecisionView) -> Sequence[str]:
    return (
        moment(view.at),
        count(view.from_size),
        count(view.to_size),
        f"{view.need:.1f}",
        view.reason if view.acted else f"{view.reason} (observed)",
        count(view.ready),
        f"{view.arrival_rate:.2f}",
        NOTHING if view.service_time is None else span(view.service_time),
        span(view.oldest_age),
    )


def _figures(found: Figures) -> Sequence[str]:
    return tuple(_cells(found))


def _cells(found: Figures) -> Iterator[str]:
    yield found.policy
    yield from (span(wait) for wait in (found.p50, found.p95, found.p99))
    yield f"{found.over:.2%}"
    yield f"{found.consumer_seconds:,.0f}"
    yield f"{found.cost:.2f}"
    yield count(found.events)
    yield count(found.peak)
