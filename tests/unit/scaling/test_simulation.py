"""The simulator, checked against queues that can be worked out on paper."""

from __future__ import annotations

import pytest
from tests.unit.scaling.scenes import Watched, load, replay

from tidegate.scaling import Arrival, Decision, lower_bound, make_policy, simulate


class Script:
    """Says one size after the other, the last one for ever."""

    def __init__(self, *sizes):
        self.sizes = list(sizes)

    def decide(self, now, seen):
        size = self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]
        return Decision(size, "script", float(size))


def test_one_consumer_serves_in_order_of_arrival():
    run = replay([Arrival(0.1, 1.0), Arrival(0.2, 1.0), Arrival(0.3, 1.0)], Script(1))
    assert run.waits == pytest.approx([0.0, 0.9, 1.8])
    assert run.seconds == 4.0
    assert run.consumer_seconds == pytest.approx(4.0)
    assert run.lower_bound == pytest.approx(4.0)
    assert run.cost == pytest.approx(1.0)
    assert (run.events, run.peak) == (0, 1)


def test_a_new_consumer_is_paid_from_the_decision_and_works_from_its_startup():
    run = replay([Arrival(0.5, 10.0), Arrival(0.5, 1.0)], Script(2), startup=3.0)
    assert run.waits == pytest.approx([0.0, 3.5])  # decided at 1, up at 4
    assert run.consumer_seconds == pytest.approx(11.0 + 10.0)
    assert (run.events, run.peak) == (1, 2)


def test_starting_consumers_go_first_then_idle_ones_then_busy_ones_after_their_job():
    jobs = [Arrival(0.1, 5.4), Arrival(0.2, 5.2)]
    run = replay(jobs, Script(4, 3, 1, 1, 1, 1, 1), min_consumers=3, startup=10.0)
    # at 1 s one is asked for, at 2 s it is cancelled; at 3 s the idle one goes and one busy one is to leave: it ends at 5.4
    assert run.consumer_seconds == pytest.approx(3 * 1 + 4 * 1 + 3 * 1 + 2 * 2.4 + 1 * 0.6, abs=1e-6)


def test_observations_tell_what_happened_since_the_last_tick():
    policy = Watched(Script(1))
    replay([Arrival(0.5, 0.25), Arrival(1.5, 2.0), Arrival(1.75, 1.0)], policy)
    first, second, *_ = policy.seen
    assert (first.arrived, first.completed, first.service_sum, first.ready, first.busy, first.min_idle) == (1, 1, 0.25, 0, 0, 0)
    assert (second.arrived, second.completed, second.ready, second.busy, second.alive) == (2, 0, 1, 1, 1)
    assert second.oldest_age == pytest.approx(0.25)


def test_a_downstream_that_chokes_makes_jobs_longer():
    run = replay([Arrival(0.1, 1.0), Arrival(0.1, 1.0)], Script(2), min_consumers=2, slowdown=float)
    assert run.seconds == 3.0  # the second one took 2 s


def test_waits_are_summed_up():
    run = replay([Arrival(0.0, 1.0)] * 10, Script(1))
    assert run.wait(0.5) == pytest.approx(4.0)
    assert run.wait(0.95) == run.wait(1.0) == pytest.approx(9.0)
    assert run.over(4.5) == pytest.approx(0.5)


def test_nothing_to_do_is_no_trouble():
    run = replay([], Script(1))
    assert (run.wait(0.95), run.over(1.0), run.cost, run.seconds) == (0.0, 0.0, 1.0, 0.0)


def test_a_policy_that_never_starts_anybody_is_given_up():
    run = simulate([Arrival(0.0, 1.0)], Script(0), min_consumers=0, startup=1.0, tick=1.0)
    assert run.waits == [pytest.approx(600.0)]


def test_moments_and_progress_are_told_where_wanted():
    told = []
    run = replay(load(lambda _at: 2.0, 2.0, 130, 0.5), Script(2), keep_moments=True, on_progress=told.append)
    assert len(run.moments) == round(run.seconds)
    assert run.moments[5].target == 2
    assert len(told) == 2
    assert told[0] < told[1]


def test_the_lower_bound_is_the_work_or_the_least_pool():
    assert lower_bound([Arrival(0, 30.0)], min_consumers=2, seconds=10) == 30
    assert lower_bound([Arrival(0, 3.0)], min_consumers=2, seconds=10) == 20


def test_the_same_trace_gives_the_same_run():
    trace = load(lambda _at: 8.0, 8.0, 300, 0.5)
    numbers = {"min_consumers": 1, "max_consumers": 40, "target_latency": 5.0, "startup": 1.0, "tick": 1.0}
    assert replay(trace, make_policy("deadline", **numbers)) == replay(trace, make_policy("deadline", **numbers))
