"""What is counted, and how it is shown to a scrape.

Plain dicts and one bisection instead of the client library's locked objects: an event costs a fifth of what it would there, and all
events of a node arrive on its one loop, as does the scrape (benchmarks/metrics.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from tidegate.observe.catalogue import Metric

__all__ = ["Counts", "Distribution", "Distributions", "Family", "Labels", "counter", "empty", "gauge", "histogram"]

Labels: TypeAlias = tuple[str, ...]


class Counts(dict[Labels, float]):
    """A counter's values by label values: `counts[labels] += 1`."""

    def __missing__(self, labels: Labels) -> float:
        return 0


class Distribution:
    """How often values fell into each bucket."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count `value` in the bucket whose upper bound it does not exceed."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Yield each bucket's bound as text and how many values did not exceed it."""
        seen = 0
        for bound, count in zip((*self.bounds, inf), self.counts, strict=True):
            seen += count
            yield _text(bound), seen


class Distributions(dict[Labels, Distribution]):
    """A histogram's distributions by label values; one that is asked for exists."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._bounds = metric.buckets

    def begin(self, labels: Iterable[Labels]) -> None:
        """Show zeros for these labels from now on."""
        for each in labels:
            self.setdefault(each, Distribution(self._bounds))

    def __missing__(self, labels: Labels) -> Distribution:
        self[labels] = fresh = Distribution(self._bounds)
        return fresh


def counter(metric: Metric, counts: Mapping[Labels, float]) -> Family:
    """Return what a scrape is told of a counter."""
    shown = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in counts.items():
        shown.add_metric(labels, value)
    return shown


def gauge(metric: Metric, values: Mapping[Labels, float]) -> Family:
    """Return what a scrape is told of a gauge."""
    shown = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        shown.add_metric(labels, value)
    return shown


def histogram(metric: Metric, distributions: Mapping[Labels, Distribution]) -> Family:
    """Return what a scrape is told of a histogram."""
    shown = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, distribution in distributions.items():
        shown.add_metric(labels, list(distribution.cumulative()), distribution.total)
    return shown


def empty(metric: Metric) -> Family:
    """Return a metric without samples."""
    match metric.type:
        case "counter":
            return counter(metric, {})
        case "gauge":
            return gauge(metric, {})
        case "histogram":
            return histogram(metric, {})


def _text(bound: float) -> str:
    return "+Inf" if bound == inf else repr(bound)
