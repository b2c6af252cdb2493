"""The rules A1 to A15 of the autoscaler, as far as policies and the simulator decide them; the runtime's part is in tests/integration."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from tests.unit.scaling.scenes import CALM, Watched, deadline, geometric_mean, load, replay, seen

from tidegate.errors import ConfigurationError
from tidegate.scaling import SHAPES, make_policy

SEEDS = (2, 3)


@pytest.fixture(scope="module")
def shapes():
    """Every shape under the default policy: name -> its runs, one for each seed."""
    runs = {}
    for name, shape in SHAPES.items():
        runs[name] = [replay(shape.trace(Random(seed), seconds=1800), deadline(), slowdown=shape.slowdown) for seed in SEEDS]
    return runs


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.attainable])
def test_a1_p95_stays_within_the_target_on_every_attainable_shape(shapes, name):
    for run in shapes[name]:
        assert run.wait(0.95) <= 5.0
        assert run.over(5.0) <= 0.02


def test_a1_the_cost_is_near_the_clairvoyants(shapes):
    assert geometric_mean([run.cost for runs in shapes.values() for run in runs]) <= 1.25


def test_a2_a_step_up_is_answered_within_three_ticks():
    policy = Watched(deadline())
    replay(load(lambda at: 20.0 if at >= 120 else 2.0, 20.0, 180, 1.0, variation=0.1), policy)
    assert max(said.need for said in policy.said[120:123]) >= 10


def test_a2_a_step_down_leaves_a_small_pool_within_thirty_seconds():
    policy = Watched(deadline())
    replay(load(lambda at: 20.0 if 120 <= at < 240 else 2.0, 20.0, 300, 0.5), policy)
    assert policy.said[270].target <= 3


@pytest.mark.parametrize("name", ["steady", "on-off", "flashes", "batches"])
def test_a3_nobody_goes_while_the_hold_remembers_a_need_for_them(name):
    policy = Watched(deadline())
    replay(SHAPES[name].trace(Random(2), seconds=900), policy)
    for tick in range(2, len(policy.said)):
        target = policy.seen[tick].target
        if policy.said[tick].target < target and policy.said[tick].reason != "probe":
            assert max(said.need for said in policy.said[max(tick - 4, 0) : tick + 1]) < target


@pytest.mark.parametrize(("rate", "service"), [(8.0, 0.5), (4.0, 1.0), (1.0, 2.0), (20.0, 0.5), (50.0, 0.1)])
def test_a4_a_constant_load_makes_few_changes_and_small_ones(rate, service):
    policy = Watched(deadline())
    run = replay(load(lambda _at: rate, rate, 1200, service, seed=2), policy)
    assert run.events / (run.seconds / 60) <= 8
    changes = [said.target - saw.target for saw, said in zip(policy.seen, policy.said, strict=True)][120:]
    moves = [change for change in changes if change]
    flaps = [now for before, now in pairwise(moves) if before == -now and abs(now) > 3]
    assert flaps == []


def test_a5_a6_jobs_that_may_not_start_are_no_demand():
    policy = deadline()
    for tick in range(120):
        assert policy.decide(tick, CALM).target == 1


def test_a5_need_rises_within_one_tick_once_they_may_start():
    policy = deadline()
    for tick in range(60):
        policy.decide(tick, seen(completed=1, arrived=1))
    assert policy.decide(61, seen(ready=100, arrived=100, oldest_age=0.5)).need > 10


def test_a7_nothing_to_do_is_the_smallest_pool():
    policy = Watched(deadline(min_consumers=2))
    replay(load(lambda at: 10.0 if at < 60 else 0.001, 10.0, 60, 0.5), policy, min_consumers=2)
    for tick in range(90):
        last = policy.decide(200 + tick, seen(alive=4 - (tick > 20), target=4 - (tick > 20), min_idle=2))
    assert last.target == 2


def test_a7_a_queue_that_may_be_empty_sleeps_after_the_cooldown_and_wakes_at_once():
    policy = deadline(min_consumers=0)
    policy.decide(0, seen(arrived=1, completed=1))
    asleep = [policy.decide(tick, CALM) for tick in range(1, 70)]
    assert [said.target for said in asleep[:50]] == [1] * 50
    assert (asleep[-1].target, asleep[-1].reason) == (0, "asleep")
    woken = policy.decide(70, seen(dt=0.01, ready=1, arrived=1, alive=0, target=0, min_idle=0))
    assert woken.target >= 1


def test_a8_one_hour_long_job_among_short_ones_hardly_moves_the_need():
    def need(hour: float) -> float:
        policy = deadline()
        for tick in range(300):
            policy.decide(tick, seen(arrived=5, completed=5, busy=5, alive=5, target=5, min_idle=0))
        long = replace(seen(completed=5), service_sum=4 + hour, service_sum_sq=4 + hour**2, service_sum_log=math.log(hour))
        return policy.decide(300, replace(long, arrived=5, busy=5, alive=5, target=5)).need

    assert abs(need(3600.0) - need(1.0)) <= 1


@pytest.mark.parametrize("dt", [0.0, -5.0, 1e6])
def test_a10_a_clock_that_jumps_does_no_harm(dt):
    policy = deadline()
    for tick in range(60):
        policy.decide(tick, seen(arrived=5, completed=5, busy=5, alive=5, target=5, min_idle=0))
    said = policy.decide(60 + dt, seen(dt=dt, arrived=5, completed=5, busy=5, alive=5, target=5, min_idle=0))
    assert 1 <= said.target <= 8
    assert math.isfinite(said.need)
    after = policy.decide(61 + dt, seen(arrived=5, completed=5, busy=5, alive=5, target=5, min_idle=0))
    assert 1 <= after.target <= 8


def test_a11_the_queues_own_bounds_are_named():
    policy = deadline(max_consumers=3)
    for tick in range(10):
        policy.decide(tick, seen(completed=1, arrived=1))
    said = policy.decide(10, seen(ready=500, arrived=500, oldest_age=1))
    assert (said.target, said.reason) == (3, "queue_max")
    assert said.need > 3
    assert deadline(min_consumers=4).decide(0, CALM).reason == "queue_min"


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a13_jobs_that_have_become_three_times_as_long_are_not_mistaken_for_contention(seed):
    policy = Watched(deadline())
    trace = load(lambda _at: 6.0, 6.0, 1800, lambda at: 0.9 if at >= 900 else 0.3, seed=seed)
    run = replay(trace, policy)
    limited = [tick for tick, said in enumerate(policy.said) if said.reason == "probe"]
    assert not limited or limited[-1] <= 900 + 60
    assert run.wait(0.95) <= 5.0
    assert run.over(5.0) <= 0.02


@pytest.mark.parametrize("seed", [2, 3])
def test_a14_a_downstream_that_chokes_is_not_given_more_than_it_bears(seed):
    knee = SHAPES["knee"]
    trace = knee.trace(Random(seed), seconds=1800)
    assert replay(trace, deadline(), slowdown=knee.slowdown).cost <= 1.5
    assert replay(trace, deadline(limiter=False), slowdown=knee.slowdown).cost > 3


def test_a14_the_limit_grows_back_when_the_knee_is_gone():
    """The downstream heals at half-time: then 14 jobs a second are no trouble any more."""
    policy = Watched(deadline())
    trace = load(lambda _at: 14.0, 14.0, 1200, 0.5)
    healed_at = sum(job.at < 600 for job in trace)
    started = [0]

    def slowdown(busy: int) -> float:
        started[0] += 1
        return max(1.0, busy / 6) ** 1.5 if started[0] < healed_at // 2 else 1.0

    run = replay(trace, policy, slowdown=slowdown)
    assert "probe" in {said.reason for said in policy.said}
    assert max(run.waits[-500:]) <= 5.0


BAD = [
    {"min_consumers": 5, "max_consumers": 4},
    {"min_consumers": -1},
    {"min_consumers": 1.5},
    {"max_consumers": 0, "min_consumers": 0},
    {"max_consumers": True},
    {"target_latency": math.nan},
    {"target_latency": 0.0},
    {"target_latency": math.inf},
    {"startup": -1.0},
    {"startup": math.nan},
    {"tick": 0.0},
    {"tick": math.nan},
    {"tick": "1"},
    {"theta": math.nan},
    {"theta": 1.5},
    {"hold": -1.0},
    {"cooldown": math.inf},
    {"preset": "balancd"},
    {"limiter": "no"},
    {"thta": 0.5},
]


@pytest.mark.parametrize("wrong", BAD, ids=lambda wrong: ",".join(f"{key}={value}" for key, value in wrong.items()))
@pytest.mark.parametrize("error", [ConfigurationError, ValueError])
def test_a15_numbers_that_cannot_be_are_refused(wrong, error):
    with pytest.raises(error):
        deadline(**wrong)


def test_a15_an_unknown_policy_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'deadline'"):
        make_policy("deadlne", min_consumers=1, max_consumers=2, target_latency=5, startup=1, tick=1)
