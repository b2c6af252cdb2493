"""Policies by name: the simple ones, a user's own, the words that they give as reasons."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from tests.unit.scaling.scenes import CALM, deadline, seen

from tidegate.scaling import BadPolicy, Decision, FixedPolicy, make_policy

NUMBERS = {"min_consumers": 1, "max_consumers": 10, "target_latency": 5.0, "startup": 1.0, "tick": 1.0}


def test_fixed_is_the_maximum_or_the_size_that_was_said():
    assert make_policy("fixed", **NUMBERS).decide(0, CALM) == Decision(10, "fixed", 10.0)
    assert make_policy("fixed", **NUMBERS, size=3).decide(0, CALM).target == 3
    assert make_policy("fixed", **NUMBERS, size=99).decide(0, CALM).target == 10


@pytest.mark.parametrize(
    ("ready", "target", "wanted"),
    [(1001, 4, 6), (1000, 4, 5), (101, 4, 5), (100, 4, 4), (10, 4, 4), (9, 4, 3), (9, 1, 1), (5000, 9, 10)],
)
def test_steps_is_the_rule_by_depth_within_its_bounds(ready, target, wanted):
    assert make_policy("steps", **NUMBERS).decide(0, seen(ready=ready, target=target)).target == wanted


def test_steps_takes_thresholds_and_a_pace():
    policy = make_policy("steps", **NUMBERS, up={50: 3}, below=5, down=2, every=10)
    sizes = [policy.decide(tick, seen(ready=60, target=4)).target for tick in range(11)]
    assert sizes == [7, *[4] * 9, 7]
    policy = make_policy("steps", **NUMBERS, up={50: 3}, below=5, down=2)
    assert policy.decide(0, seen(ready=4, target=4)).target == 2


@pytest.mark.parametrize(
    "options", [{"up": {"a": 1}}, {"up": 5}, {"up": {10: -1}}, {"below": -1}, {"every": float("nan")}, {"belw": 3}], ids=str
)
def test_steps_refuses_what_is_no_step(options):
    with pytest.raises(BadPolicy):
        make_policy("steps", **NUMBERS, **options)


@pytest.mark.parametrize("size", [-1, 1.5, True, "3"])
def test_fixed_refuses_what_is_no_size(size):
    with pytest.raises(BadPolicy, match="size"):
        make_policy("fixed", **NUMBERS, size=size)


@pytest.fixture
def shop(monkeypatch):
    module = ModuleType("shop_scaling")
    monkeypatch.setitem(sys.modules, "shop_scaling", module)
    return module


def test_a_users_own_policy_is_made_with_the_same_arguments(shop):
    made = []

    def mine(*, min_consumers, max_consumers, target_latency, startup, tick, night=False):
        made.append((max_consumers, target_latency, night))
        return FixedPolicy(min_consumers=min_consumers, max_consumers=2)

    shop.mine = mine
    assert make_policy("shop_scaling:mine", **NUMBERS, night=True).decide(0, CALM).target == 2
    assert made == [(10, 5.0, True)]


@pytest.mark.parametrize(
    "place", ["shop_scaling:missing", "no_such_module_here:mine", ":mine", "shop_scaling:unfit", "shop_scaling:nothing"]
)
def test_a_users_own_policy_that_cannot_be_had_is_refused(shop, place):
    shop.unfit = lambda: None
    shop.nothing = lambda **_numbers: object()
    with pytest.raises(BadPolicy, match=r"scaling policy"):
        make_policy(place, **NUMBERS)


def test_presets_trade_waiting_for_consumers():
    needs = {}
    for preset in ("economy", "balanced", "latency"):
        policy = deadline(preset=preset)
        for tick in range(30):
            policy.decide(tick, seen(completed=5, arrived=5, busy=5, alive=5, target=5, min_idle=0))
        needs[preset] = policy.decide(30, seen(ready=40, arrived=5, busy=5, alive=5, target=5, oldest_age=1.0)).need
    assert needs["economy"] < needs["balanced"] < needs["latency"]


def test_before_any_job_has_ended_a_pool_only_doubles():
    policy = deadline()
    first = policy.decide(0, seen(ready=500, arrived=500))
    assert first.target == 4
    assert first.need > 10
    assert policy.decide(1, seen(ready=900, arrived=500, alive=1, starting=3, target=4)).target == 8


def test_the_reasons_say_what_decided():
    policy = deadline()
    for tick in range(20):
        policy.decide(tick, seen(arrived=4, completed=4, busy=4, alive=4, target=4, min_idle=0))
    grown = policy.decide(20, seen(ready=60, arrived=60, completed=4, busy=4, alive=4, target=4, oldest_age=1.0))
    assert grown.reason == "backlog"
    held = policy.decide(21, seen(ready=0, arrived=0, completed=9, busy=0, alive=grown.target, target=grown.target))
    assert (held.target, held.reason) == (grown.target, "hold")
    for tick in range(22, 27):
        gone = policy.decide(tick, seen(ready=0, busy=0, alive=grown.target, target=grown.target))
    assert gone.reason == "idle"
    assert gone.target < grown.target


def test_a_policy_reads_as_its_state():
    policy = deadline()
    assert repr(policy) == "<DeadlinePolicy rate=0/s service=1s limit=None>"
    policy.decide(0, seen(completed=10, arrived=10))
    assert "rate=10/s" in repr(policy)
