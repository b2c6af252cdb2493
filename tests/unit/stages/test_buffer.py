"""Rules G40 to G43: what nobody has asked for yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages import BadOption, Buffer, Keep


def filled(size, *events, keep=Keep.LAST):
    buffer = Buffer(size, keep=keep)
    assert buffer.store(events) == []
    return buffer


def test_g40_events_leave_in_the_order_in_which_they_came():
    buffer = filled(10, 1, 2)
    buffer.store([3])
    assert buffer.take(2) == ([1, 2], [])
    assert buffer.take(2) == ([3], [])


def test_g40_keep_last_drops_the_oldest():
    buffer = filled(3, "a", "b", "c")
    assert buffer.store(["d", "e"]) == ["a", "b"]
    assert buffer.take(10) == (["c", "d", "e"], [])


def test_g40_keep_last_drops_the_head_of_a_chunk_that_is_larger_than_the_buffer():
    buffer = filled(2, "a")
    assert buffer.store(["b", "c", "d"]) == ["a", "b"]
    assert buffer.take(10) == (["c", "d"], [])


def test_g40_keep_first_drops_the_newcomers():
    buffer = filled(3, "a", "b", keep=Keep.FIRST)
    assert buffer.store(["c", "d", "e"]) == ["d", "e"]
    assert buffer.take(10) == (["a", "b", "c"], [])


def test_g40_an_unbounded_buffer_drops_nothing():
    buffer = filled(None, *range(100_000))
    assert len(buffer) == 100_000


@pytest.mark.parametrize("keep", Keep)
def test_g3_a_size_of_zero_buffers_nothing_and_gives_everything_back(keep):
    buffer = Buffer(0, keep=keep)
    assert buffer.store([1, 2]) == [1, 2]
    assert buffer.store_info("now") is True
    assert len(buffer) == 0


def test_g3_a_negative_size_is_refused_by_name_and_value():
    with pytest.raises(BadOption, match="expected buffer_size to be equal to or greater than 0, got: -1"):
        Buffer(-1)


def test_g42_an_info_is_due_at_once_when_nothing_is_buffered():
    assert Buffer(10).store_info("hello") is True


@pytest.mark.parametrize("size", [10, None])
def test_g42_g43_infos_come_behind_the_event_that_was_last(size):
    buffer = filled(size, "a", "b", "c")
    assert buffer.store_info("hello") is False
    buffer.store(["g", "h"])
    assert buffer.take(5) == (["a", "b", "c"], ["hello"])
    assert buffer.take(2) == (["g", "h"], [])


def test_g42_several_infos_behind_one_event_keep_their_order():
    buffer = filled(10, "a")
    assert [buffer.store_info(n) for n in (1, 2, 3)] == [False, False, False]
    assert buffer.take(5) == (["a"], [1, 2, 3])


def test_g42_a_bounded_buffer_does_not_count_infos():
    buffer = filled(2, "a", "b")
    buffer.store_info("hello")
    assert len(buffer) == 2
    assert buffer.store([]) == []


def test_g42_an_unbounded_buffer_counts_infos():
    buffer = filled(None, "a", "b")
    buffer.store_info("hello")
    assert len(buffer) == 3


def test_g42_an_unbounded_buffer_gives_infos_to_a_take_that_still_wants_something():
    buffer = filled(None, "a")
    buffer.store_info(1)
    buffer.store_info(2)
    assert buffer.take(1) == (["a"], [])
    assert buffer.take(1) == ([], [1])
    assert buffer.take(1) == ([], [2])
    assert len(buffer) == 0


def test_g42_an_unbounded_buffer_gives_the_infos_at_its_head_to_whoever_only_asks_for_those():
    buffer = filled(None, "a")
    buffer.store_info(1)
    buffer.store_info(2)
    assert buffer.take(0) == ([], [])
    assert buffer.take(1) == (["a"], [])
    assert buffer.take(0) == ([], [1, 2])


def test_g42_an_info_whose_event_is_dropped_is_due_at_once():
    buffer = filled(2, "a")
    buffer.store_info("behind a")
    buffer.store(["b"])
    buffer.store_info("behind b")
    assert buffer.store(["c"]) == ["a"]
    assert buffer.take(0) == ([], ["behind a"])
    assert buffer.take(5) == (["b"], ["behind b"])


def test_g43_a_take_stops_at_the_first_event_that_has_infos_behind_it():
    buffer = filled(10, 1, 2)
    buffer.store_info("x")
    buffer.store([3, 4])
    buffer.store_info("y")
    buffer.store([5])
    assert buffer.take(10) == ([1, 2], ["x"])
    assert buffer.take(10) == ([3, 4], ["y"])
    assert buffer.take(10) == ([5], [])


def test_clear_gives_out_events_and_infos():
    buffer = filled(10, 1, 2)
    buffer.store_info("x")
    assert buffer.clear() == ([1, 2], ["x"])
    assert len(buffer) == 0


operations = st.lists(
    st.one_of(st.tuples(st.just("store"), st.integers(0, 6)), st.tuples(st.just("take"), st.integers(0, 6)), st.just(("info", 0))),
    max_size=40,
)


@given(st.none() | st.integers(0, 8), st.sampled_from(Keep), operations)
def test_i2_i3_nothing_disappears_and_what_is_taken_keeps_its_order(size, keep, script):
    buffer = Buffer(size, keep=keep)
    stored, infos = 0, 0
    taken, dropped, delivered = [], [], []
    for verb, n in script:
        if verb == "store":
            dropped += buffer.store(range(stored, stored + n))
            stored += n
        elif verb == "take":
            events, due = buffer.take(n)
            assert len(events) <= n
            taken += events
            delivered += due
        else:
            if buffer.store_info(infos):
                delivered += buffer.take(0)[1] + [infos]
            infos += 1
        assert size is None or len(buffer) <= size
    rest, waiting = buffer.clear()
    assert sorted(taken + dropped + rest) == list(range(stored))
    assert taken == sorted(taken)
    assert delivered + waiting == list(range(infos))
