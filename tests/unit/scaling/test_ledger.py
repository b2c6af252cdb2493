"""The books of a queue: arrivals out of levels and counters, whatever comes late, begins anew or vanishes."""

from __future__ import annotations

from tidegate.scaling import Ledger, Observation, PoolNow, Work


def see(ledger: Ledger, now: float, ready: int, running: int = 0, **gone: int) -> Observation:
    pools = {node: PoolNow(2, 1, 3, 0, 5, work=Work(n, 0.5 * n, 0.25 * n, 0.0, n)) for node, n in gone.items()}
    return ledger.observe(now, ready=ready, running=running, oldest_age=0.0, pools=pools, target=3)


def test_what_is_there_at_first_has_just_come_and_nothing_has_ended() -> None:
    seen = see(Ledger(), 5.0, 7, a=100)
    assert (seen.dt, seen.arrived, seen.completed, seen.ready) == (0.0, 7, 0, 7)
    assert (seen.alive, seen.busy, seen.starting, seen.min_idle) == (2, 1, 1, 1)


def test_arrivals_are_what_is_there_and_was_not_and_what_has_gone() -> None:
    ledger = Ledger()
    see(ledger, 0.0, 10, 2, a=5)
    seen = see(ledger, 1.0, 11, 3, a=9)
    assert (seen.dt, seen.arrived, seen.completed, seen.service_sum) == (1.0, 6, 4, 2.0)


def test_words_that_come_a_tick_late_even_out() -> None:
    ledger = Ledger()
    see(ledger, 0.0, 10, a=0)
    assert see(ledger, 1.0, 6, a=0).arrived == 0  # four have ended, and nobody has said so yet
    assert see(ledger, 2.0, 6, a=4).arrived == 0


def test_jobs_that_were_taken_out_by_hand_hide_arrivals_for_one_tick_only() -> None:
    ledger = Ledger()
    see(ledger, 0.0, 10_000, a=0)
    see(ledger, 1.0, 0, a=0)
    see(ledger, 2.0, 5, a=0)
    assert see(ledger, 3.0, 9, a=0).arrived == 4


def test_a_counter_that_begins_anew_counts_from_there() -> None:
    ledger = Ledger()
    see(ledger, 0.0, 0, a=50)
    assert see(ledger, 1.0, 0, a=3).completed == 3


def test_a_node_that_joins_brings_what_it_has_done_and_one_that_was_away_is_not_counted_twice() -> None:
    ledger = Ledger()
    see(ledger, 0.0, 0, a=50)
    assert see(ledger, 1.0, 0, a=50, b=2).completed == 2
    see(ledger, 2.0, 0, a=50)
    assert see(ledger, 3.0, 0, a=50, b=4).completed == 2


def test_a_clock_that_stands_or_jumps_back_is_no_time() -> None:
    ledger = Ledger()
    see(ledger, 5.0, 1, a=0)
    assert see(ledger, 5.0, 1, a=0).dt == 0.0
    assert see(ledger, 1.0, 1, a=0).dt == 0.0
