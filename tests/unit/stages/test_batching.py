"""Rules B10 and B11 of the pure core: which events make a batch, and when it is complete."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages import BadOption, Batch, Gathering, Splitter, Trigger, by_count, by_weight


def pairs(batches):
    return [(list(batch), batch.trigger) for batch in batches]


def test_b10_a_batch_is_complete_with_its_last_event():
    gathering = Gathering(size=3)
    assert pairs(gathering.add([1, 2], 0.0)) == []
    assert pairs(gathering.add([3, 4], 0.0)) == [([1, 2, 3], "size")]
    assert len(gathering) == 1


def test_b10_one_chunk_may_make_many_batches():
    assert pairs(Gathering(size=2).add(range(5), 0.0)) == [([0, 1], "size"), ([2, 3], "size")]


def test_b10_each_key_has_a_batch_of_its_own():
    gathering = Gathering(size=2, key=lambda n: n % 2)
    assert pairs(gathering.add([1, 2, 3, 4, 5], 0.0)) == [([1, 3], "size"), ([2, 4], "size")]
    assert gathering.flush() == [Batch(1, (5,), Trigger.FLUSH)]


def test_b10_the_timeout_runs_from_the_first_event_of_each_batch():
    gathering = Gathering(size=10, timeout=1.0, key=str)
    gathering.add(["a"], 0.0)
    gathering.add(["b"], 0.5)
    gathering.add(["a"], 0.9)
    assert gathering.next_due() == 1.0
    assert gathering.due(0.99) == []
    assert gathering.due(1.0) == [Batch("a", ("a", "a"), Trigger.TIMEOUT)]
    assert gathering.next_due() == 1.5
    assert gathering.due(9.0) == [Batch("b", ("b",), Trigger.TIMEOUT)]
    assert gathering.next_due() is None


def test_b10_a_batch_that_is_complete_by_size_begins_its_time_anew():
    gathering = Gathering(size=2, timeout=1.0)
    gathering.add([1, 2, 3], 0.0)
    gathering.add([4, 5], 0.8)
    assert gathering.next_due() == 1.8


def test_b10_without_a_timeout_nothing_is_ever_due():
    gathering = Gathering(size=2, timeout=None)
    gathering.add([1], 0.0)
    assert (gathering.next_due(), gathering.due(1e9)) == (None, [])


def test_b10_a_flushing_event_completes_its_batch_at_the_end_of_the_chunk():
    gathering = Gathering(size=10, flush_on=lambda n: n == 2)
    assert pairs(gathering.add([1, 2, 3], 0.0)) == [([1, 2, 3], "flush")]


def test_b10_a_flushing_event_completes_its_batch_where_its_key_ends_and_no_other():
    gathering = Gathering(size=10, key=lambda n: n // 10, flush_on=lambda n: n == 12)
    assert pairs(gathering.add([1, 11, 12, 13, 2, 14], 0.0)) == [([11, 12, 13], "flush")]
    assert [list(batch) for batch in gathering.flush()] == [[1, 2], [14]]


def test_b10_size_comes_before_flush():
    gathering = Gathering(size=2, flush_on=lambda n: n == 1)
    assert pairs(gathering.add([1, 2, 3], 0.0)) == [([1, 2], "size")]
    assert len(gathering) == 1


def test_b11_the_size_may_be_a_function_of_the_events():
    ends_at_a_stop = Splitter(0, lambda word, seen: (word.endswith("."), seen + 1))
    gathering = Gathering(size=ends_at_a_stop)
    assert pairs(gathering.add(["how", "so.", "and"], 0.0)) == [(["how", "so."], "size")]


def test_b11_a_weight_ends_a_batch_with_the_event_that_reaches_it():
    gathering = Gathering(size=by_weight(10, len))
    assert pairs(gathering.add(["1234", "1234", "123456", "12"], 0.0)) == [(["1234", "1234", "123456"], "size")]
    assert pairs(gathering.add(["12345678"], 0.0)) == [(["12", "12345678"], "size")]


@pytest.mark.parametrize("broken", ["key", "size", "flush_on"])
def test_a_function_that_raises_leaves_everything_as_it_was(broken):
    def fails(event, state=0):
        if event == 3:
            raise ZeroDivisionError
        return (False, state + 1) if broken == "size" else None

    options = {"size": Splitter(0, fails)} if broken == "size" else {broken: fails}
    gathering = Gathering(**options)
    gathering.add([1], 0.0)
    with pytest.raises(ZeroDivisionError):
        gathering.add([2, 3], 0.0)
    assert [list(batch) for batch in gathering.flush()] == [[1]]


@pytest.mark.parametrize(("option", "value"), [("size", 0), ("timeout", 0), ("timeout", -1)])
def test_options_that_cannot_hold_are_refused_by_name(option, value):
    with pytest.raises(BadOption) as caught:
        Gathering(**{option: value})
    assert (caught.value.option, caught.value.value) == (option, value)


def test_a_batch_is_a_sequence_of_its_events():
    batch = Batch("k", (1, 2), Trigger.SIZE)
    assert (len(batch), list(batch), repr(batch)) == (2, [1, 2], "Batch(key='k', events=(1, 2), trigger=<Trigger.SIZE: 'size'>)")


scripts = st.lists(st.tuples(st.sampled_from(["add", "due", "flush"]), st.lists(st.integers(0, 99), max_size=8)), max_size=30)


@given(st.integers(1, 6), st.none() | st.floats(0.1, 3), st.integers(1, 3), scripts)
def test_every_event_is_in_one_batch_and_the_events_of_a_key_keep_their_order(size, timeout, keys, script):
    gathering = Gathering(size=by_count(size), timeout=timeout, key=lambda n: n[1] % keys, flush_on=lambda n: n[1] == 7)
    now, count, out, given_in = 0.0, 0, [], []
    for verb, numbers in script:
        now += 0.3
        match verb:
            case "add":
                events = [(count + i, number) for i, number in enumerate(numbers)]
                count += len(events)
                given_in += events
                out += gathering.add(events, now)
            case "due":
                out += gathering.due(now)
            case "flush":
                out += gathering.flush()
        assert gathering.next_due() is None or timeout is not None
    out += gathering.flush()
    assert all(1 <= len(batch) <= size for batch in out)
    assert all(event[1] % keys == batch.key for batch in out for event in batch)
    for key in range(keys):
        assert [event for batch in out if batch.key == key for event in batch] == [e for e in given_in if e[1] % keys == key]
