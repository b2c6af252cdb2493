"""The hints of protocol H1-H4: where the next claim begins, in every case that the protocol names."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tidegate.jobs import Job
from tidegate.runtime.hints import SWEEP_PAUSE, TRAIL_AGE, Hints

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(seq: int, priority: int = 0) -> Job[bytes]:
    return Job(seq, "q", "m:f", b"{}", 1, None, priority, 1, seq, NOW, NOW, 0.0)


def learnt(*jobs: Job[bytes], horizon: int = 0) -> Hints:
    """Hints after a first sweep that brought `jobs` and was full."""
    hints = Hints()
    hints.begin_sweep()
    hints.settle(list(jobs), len(jobs), horizon, 0.0)
    return hints


def test_h1_a_full_claim_moves_the_hint_behind_its_last_job() -> None:
    hints = learnt(job(5))
    hints.begin()
    hints.settle([job(6), job(9)], 2, 20, 1.0)
    assert hints.begin() == [(0, 10)]


def test_h1_an_empty_claim_moves_to_the_horizon_that_was_read_before_it() -> None:
    hints = learnt(job(5), horizon=30)
    hints.begin()
    hints.settle([], 10, 99, 1.0)
    assert hints.begin() == [(0, 31)]


def test_h1_what_was_told_since_the_claim_was_sent_holds_the_hint_back() -> None:
    hints = learnt(job(5), horizon=30)
    hints.begin()
    hints.lower({0: 12})
    hints.settle([], 10, 99, 1.0)
    assert hints.begin() == [(0, 12)]


def test_h1_what_was_told_before_the_claim_was_sent_was_seen_by_it() -> None:
    hints = learnt(job(5), horizon=30)
    hints.lower({0: 12})
    hints.begin()
    hints.settle([], 10, 99, 1.0)
    assert hints.begin() == [(0, 31)]


def test_h1_a_closed_queue_moves_nothing() -> None:
    hints = learnt(job(5), horizon=30)
    before = hints.begin()
    hints.settle([], 10, None, 1.0)
    assert hints.begin() == before


def test_h1_a_full_claim_tells_nothing_of_less_urgent_priorities() -> None:
    hints = learnt(job(1, -5), job(2, 0), job(3, 7), horizon=50)
    hints.settle([], 9, 50, 0.0)
    hints.begin()
    hints.settle([job(60, 0)], 1, 99, 1.0)
    assert hints.begin() == [(-5, 51), (0, 61), (7, 51)]


def test_h2_a_new_priority_is_learnt_from_what_is_told() -> None:
    hints = learnt(job(5))
    hints.lower({-3: 8})
    assert hints.begin() == [(-3, 8), (0, 6)]


def test_h2_a_row_told_behind_the_hint_lowers_it() -> None:
    hints = learnt(job(50))
    hints.lower({0: 7})
    assert hints.begin() == [(0, 7)]


def test_h4_the_trailing_hint_is_some_seconds_old() -> None:
    hints = learnt(job(5))
    for second in range(1, 10):
        hints.begin()
        hints.settle([job(second * 100)], 1, second * 100, float(second))
    assert hints.begin_trailing(9.0) == [(0, (9 - int(TRAIL_AGE)) * 100 + 1)]


def test_h4_a_young_queue_trails_from_its_first_position() -> None:
    hints = learnt(job(5))
    hints.begin()
    hints.settle([job(90)], 1, 90, 0.5)
    assert hints.begin_trailing(0.5) == [(0, 6)]


def test_h4_sweeps_keep_to_their_share_of_the_time() -> None:
    hints = Hints()
    assert hints.sweep_is_due(0.0)
    hints.swept(10.0, 0.5)
    assert not hints.sweep_is_due(10.0 + 24.9)
    assert hints.sweep_is_due(10.0 + 25.0)


def test_h4_cheap_sweeps_have_a_pause_too() -> None:
    hints = Hints()
    hints.swept(10.0, 0.0)
    assert not hints.sweep_is_due(10.0 + SWEEP_PAUSE / 2)


@given(st.data())
def test_no_row_that_was_told_or_committed_before_the_horizon_is_ever_behind_the_hint(data: st.DataObject) -> None:
    """A model of the table: rows appear told, and claims see what is there; a hint never passes a row that nobody took."""
    hints, rows, seq, horizon = Hints(), set[tuple[int, int]](), 0, 0
    hints.begin_sweep()
    hints.settle([], 1, 0, 0.0)
    for _ in range(data.draw(st.integers(1, 30))):
        told_late = []
        for priority in data.draw(st.lists(st.integers(-2, 2), max_size=4)):
            seq += 1
            rows.add((priority, seq))
            if data.draw(st.booleans()):
                hints.lower({priority: seq})
            else:
                told_late.append((priority, seq))
        n = data.draw(st.integers(1, 5))
        sent = dict(hints.begin())
        for priority, late in told_late:
            hints.lower({priority: late})
        seen = sorted(row for row in rows if row[0] in sent and row[1] >= sent[row[0]])[:n]
        rows -= set(seen)
        horizon = seq
        hints.settle([job(place, priority) for priority, place in seen], n, horizon, 0.0)
        at = dict(hints.begin())
        assert all(priority in at and at[priority] <= place for priority, place in rows)
