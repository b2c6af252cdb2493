"""What a dashboard is made of; `build.py` says it in Grafana's words."""  # noqa: INP001 - a script's part

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["timeseries", "stat", "heatmap", "state-timeline"]


@dataclass(frozen=True)
class Query:
    """An expression, and how its series are named."""

    expr: str
    legend: str = ""
    exemplars: bool = False
    """Whether the traces that its buckets point to are shown as dots."""


@dataclass(frozen=True)
class Value:
    """How one value is shown, where values are states and not amounts."""

    value: float
    text: str
    colour: str


@dataclass(frozen=True)
class Link:
    """Where a click on a panel's series leads; `${__field.labels.NAME}` is the series' label."""

    title: str
    url: str


@dataclass(frozen=True)
class Panel:
    """A chart: what it shows, in which unit, and what to make of it."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    type: Type = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    steps: tuple[tuple[str, float], ...] = ()
    """Colours from a value on: of a stat, green below the first; of a chart, lines at these values."""
    values: tuple[Value, ...] = ()
    links: tuple[Link, ...] = ()
    most: float | None = None
    """Where the axis ends; None: where the data does."""


@dataclass(frozen=True)
class Row:
    """Panels under a heading, laid out from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top, of a label's values."""

    name: str
    label: str
    query: str


@dataclass(frozen=True)
class Annotation:
    """What is marked on every chart of a dashboard: the moments at which an expression has series."""

    name: str
    expr: str
    title: str
    colour: str


@dataclass(frozen=True)
class Dashboard:
    """One file."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    annotations: tuple[Annotation, ...] = ()
