"""Figures of a run, and shapes that are what they say."""

from __future__ import annotations

from random import Random

import pytest
from tests.unit.scaling.scenes import deadline, replay

from tidegate.scaling import SHAPES, Arrival, figures, geometric_mean


def test_figures_sum_a_run_up():
    run = replay([Arrival(0.0, 1.0)] * 4, deadline(max_consumers=1))
    told = figures("deadline", run, target_latency=1.5).as_json()
    assert told["wait"] == {"p50": 1.0, "p95": 3.0, "p99": 3.0}
    assert (told["policy"], told["jobs"], told["over_target"], told["peak"], told["cost"]) == ("deadline", 4, 0.5, 1, 1.0)


def test_the_geometric_mean():
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert geometric_mean([]) == 1.0


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_made_by_the_chance_that_is_handed_in(name):
    shape = SHAPES[name]
    trace = shape.trace(Random(5), seconds=900)
    assert trace == shape.trace(Random(5), seconds=900)
    assert trace == sorted(trace)
    assert trace[-1].at <= 900
    assert 1.5 <= sum(job.service for job in trace) / 900 <= 7
