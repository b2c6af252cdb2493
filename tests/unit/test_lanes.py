"""One at a time of each key."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.runtime.lanes import Lanes


def test_the_first_of_a_key_goes_and_the_others_wait_their_turn():
    lanes = Lanes()
    assert [lanes.add("a", n) for n in range(3)] == [[0], [], []]
    assert lanes.add("b", 9) == [9]
    assert len(lanes) == 2
    assert [lanes.done("a") for _ in range(3)] == [[1], [2], []]
    assert lanes.add("a", 7) == [7]


def test_what_waits_can_be_taken_out_and_busy_keys_stay_busy():
    lanes = Lanes()
    for n in range(3):
        lanes.add("a", n)
    assert lanes.clear() == [1, 2]
    assert lanes.add("a", 3) == []
    assert lanes.done("a") == [3]


def test_the_end_of_what_was_not_there_changes_nothing():
    assert Lanes().done("a") == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=60))
def test_never_two_of_a_key_at_once_and_always_in_order(script):
    lanes, busy, seen, given_in = Lanes(), {}, {0: [], 1: [], 2: []}, {0: 0, 1: 0, 2: 0}

    def run(key, items):
        for item in items:
            assert key not in busy
            busy[key] = item
            seen[key].append(item)

    for ends, key in script:
        if ends:
            busy.pop(key, None)
            run(key, lanes.done(key))
        else:
            run(key, lanes.add(key, given_in[key]))
            given_in[key] += 1
    assert all(items == list(range(len(items))) for items in seen.values())
    assert sum(given_in.values()) == sum(map(len, seen.values())) + len(lanes)
