"""What a dashboard is made of; `build.py` says it in Grafana's words."""  # noqa: INP001 - a script's part

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Query:
    """An expression, and how its series are named."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A chart: what it shows, in which unit, and what to make of it."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    type: Literal["timeseries", "stat", "heatmap"] = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    steps: tuple[tuple[str, float], ...] = ()
    """Colours from a value on, for a stat: green below the first."""


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
class Dashboard:
    """One file."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
