"""What the catalogue says of one metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = ["Exists", "Metric"]


class Exists(StrEnum):
    """Where a metric has samples."""

    NODE = "every node, from its start"
    EVENT = "every node, from the first time it happens"
    LEADER = "the leader only, from its first snapshot"
    CLIENT = "where jobs are enqueued, from the first one"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Counters are named as they are scraped, with their `_total`."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    exists: Exists
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, without the last one, which is infinite."""
