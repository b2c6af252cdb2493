"""Dividing consumers: a queue's among nodes, a host's among queues; and what a busy host allows."""

from __future__ import annotations

import math
from random import Random

import pytest

from tidegate.scaling import Claimant, CpuCap, Grant, fit, share_out


def test_shares_sum_up_to_what_is_wanted_and_stay_within_bounds() -> None:
    chance = Random(8)
    for _ in range(500):
        nodes = {
            f"n{i}": (least, least + chance.randrange(9)) for i in range(chance.randrange(1, 6)) for least in [chance.randrange(4)]
        }
        least, most = sum(low for low, _ in nodes.values()), sum(high for _, high in nodes.values())
        want = chance.randrange(40)
        shares = share_out(want, nodes)
        assert sum(shares.values()) == min(max(want, least), most)
        assert all(low <= shares[node] <= high for node, (low, high) in nodes.items())


def test_shares_follow_the_sizes_of_the_nodes() -> None:
    assert share_out(6, {"a": (0, 10), "b": (0, 20)}) == {"a": 2, "b": 4}
    assert share_out(1, {"a": (0, 10), "b": (0, 10)}) in ({"a": 1, "b": 0}, {"a": 0, "b": 1})
    assert share_out(3, {}) == {}


def test_queues_get_what_they_want_while_the_host_has_room() -> None:
    queues = {"a": Claimant(1, 4, 2, memory=100), "b": Claimant(0, 2, 0)}
    assert fit(queues, memory=200, total=6) == {"a": Grant(4), "b": Grant(2)}


def test_the_next_consumer_goes_to_the_queue_that_would_be_latest() -> None:
    queues = {
        "late": Claimant(1, 10, 1, memory=100, work=100.0, target_latency=5),
        "patient": Claimant(1, 10, 1, memory=100, work=100.0, target_latency=50),
    }
    assert fit(queues, memory=500) == {"late": Grant(6, "memory"), "patient": Grant(1, "memory")}


def test_every_queue_keeps_its_least_however_full_the_host_is() -> None:
    queues = {"a": Claimant(2, 9, 2, memory=100, work=9e9), "b": Claimant(1, 9, 1, memory=100)}
    assert fit(queues, memory=0, total=1) == {"a": Grant(2, "cpu"), "b": Grant(1, "cpu")}


def test_what_runs_already_costs_no_memory_again() -> None:
    assert fit({"a": Claimant(0, 9, 5, memory=100)}, memory=150) == {"a": Grant(6, "memory")}


class TestProcessors:
    def test_a_short_peak_changes_nothing(self) -> None:
        cap = CpuCap(hold=5)
        assert [cap.see(1, used=0.9, own=0.9, consumers=8) for _ in range(4)] == [math.inf] * 4

    def test_nothing_grows_while_they_are_busy(self) -> None:
        cap = CpuCap(hold=3)
        assert [cap.see(1, used=0.9, own=0.9, consumers=8) for _ in range(4)] == [math.inf, math.inf, 8, 8]
        assert cap.see(1, used=0.5, own=0.5, consumers=8) == math.inf

    def test_pools_shrink_while_they_are_full(self) -> None:
        cap = CpuCap(hold=1)
        assert [cap.see(1, used=1.0, own=1.0, consumers=20) for _ in range(3)] == [18, 16, 14]

    def test_the_load_of_others_is_not_ours_to_mend(self) -> None:
        cap = CpuCap(hold=1)
        assert [cap.see(1, used=1.0, own=0.3, consumers=20) for _ in range(3)] == [math.inf] * 3


@pytest.mark.parametrize("used", [0.96, 1.0])
def test_a_full_host_leaves_one(used: float) -> None:
    cap = CpuCap(hold=0)
    for _ in range(99):
        least = cap.see(1, used=used, own=used, consumers=3)
    assert least == 1
