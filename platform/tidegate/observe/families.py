"""From what was counted or read to what a scrape is told, by the catalogue's names and words.

Exemplars are told to those who ask for OpenMetrics; the text format has no place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar

from tidegate.observe.catalogue import Metric
from tidegate.observe.tallies import Distribution

__all__ = ["Family", "Labels", "counter", "empty", "gauge", "histogram"]

Labels: TypeAlias = tuple[str, ...]

TRACE: Final = "trace_id"  # the label of an exemplar by which Grafana finds the trace


def counter(metric: Metric, counts: Mapping[Labels, float], traces: Mapping[Labels, str] | None = None) -> Family:
    """Return what a scrape is told of a counter; `traces` has those in which each was counted the last time."""
    shown = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in counts.items():
        trace_id = traces.get(labels) if traces else None
        shown.add_metric(labels, value, exemplar=None if trace_id is None else Exemplar({TRACE: trace_id}, 1.0))
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
        buckets = [_bucket(bound, seen, last) for bound, seen, last in distribution.cumulative()]
        shown.add_metric(labels, buckets, distribution.total)
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


def _bucket(bound: float, seen: int, last: tuple[float, str] | None) -> tuple[str, float] | tuple[str, float, Exemplar]:
    if last is None:
        return _text(bound), seen
    value, trace_id = last
    return _text(bound), seen, Exemplar({TRACE: trace_id}, value)
