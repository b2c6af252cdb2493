"""What the dashboards share: choices, selectors, shapes of panels."""  # noqa: INP001 - a script's part

from __future__ import annotations

from typing import Final

from words import Annotation, Link, Panel, Query, Value, Variable

NODE: Final = 'instance=~"$instance"'
QUEUE: Final = f'{NODE}, queue=~"$queue"'
KIND: Final = f'{QUEUE}, kind=~"$kind"'
FLEET: Final = 'queue=~"$queue"'  # shown by whoever leads, so no choice of nodes applies
WENT_WRONG: Final = 'outcome=~"failed|retried|timed_out|crashed|discarded|invalid"'
RUNS: Final = 'outcome!~"released|snoozed"'

QUEUES: Final = Variable("queue", "Queue", "label_values(tidegate_queue_broken, queue)")
KINDS: Final = Variable("kind", "Kind", 'label_values(tidegate_jobs_finished_total{queue=~"$queue"}, kind)')
NODES: Final = Variable("instance", "Node", "label_values(tidegate_build_info, instance)")

ALERTS: Final = Annotation(
    "Alerts", 'ALERTS{alertname=~"Tidegate.+", alertstate="firing"}', "{{alertname}} {{queue}} {{instance}}", "red"
)
VERSIONS: Final = Annotation(
    "New versions",
    "count by (version) (tidegate_build_info) unless count by (version) (tidegate_build_info offset 10m)",
    "Tidegate {{version}}",
    "blue",
)
QUEUE_BOARD: Final = Link("This queue", "/d/tidegate-queue?var-queue=${__field.labels.queue}&${__url_time_range}")
YES_IS_BAD: Final = (Value(0, "no", "green"), Value(1, "yes", "red"))


def rate(metric: str, labels: str, by: str) -> str:
    """Return what a counter grows by in a second."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def increase(metric: str, labels: str, by: str) -> str:
    """Return what a counter grew by between two points of a chart."""
    return f"sum by ({by}) (increase({metric}{{{labels}}}[$__rate_interval]))"


def stat(title: str, description: str, unit: str, expr: str, *, steps: tuple[tuple[str, float], ...] = (), width: int = 3) -> Panel:
    """Return a number for the top of a dashboard."""
    return Panel(title, description, unit, (Query(expr),), type="stat", width=width, height=4, steps=steps)


def quantiles(metric: str, labels: str, by: str, legend: str, of: tuple[float, ...] = (0.5, 0.95)) -> tuple[Query, ...]:
    """Return quantiles of a histogram; the traces that it points to come with the last one."""
    buckets = f"sum by ({by}, le) (rate({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"{legend} p{q * 100:g}", exemplars=q == of[-1]) for q in of)


def heatmap(title: str, description: str, metric: str, labels: str, *, width: int = 8, unit: str = "s") -> Panel:
    """Return how a histogram's values are spread, over time."""
    expr = f"sum by (le) (increase({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return Panel(title, description, unit, (Query(expr, "{{le}}", exemplars=True),), type="heatmap", width=width)
