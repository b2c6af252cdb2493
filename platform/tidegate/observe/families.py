"""From what was counted or read to what a scrape is told, by the catalogue's names and words."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from tidegate.observe.catalogue import Metric
from tidegate.observe.tallies import Distribution

__all__ = ["Family", "Labels", "counter", "empty", "gauge", "histogram"]

Labels: TypeAlias = tuple[str, ...]


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
        shown.add_metric(labels, [(_text(bound), seen) for bound, seen in distribution.cumulative()], distribution.total)
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
