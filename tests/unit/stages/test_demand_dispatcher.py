"""Rules DD1 to DD7 and invariants I1 to I4, I6 of the dispatcher that serves whoever has the most open demand."""

import logging
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages import DemandDispatcher, SubRef, Subscription

OPTIONS = Subscription("producer")


def wired(*demands, **options):
    """Make a dispatcher whose consumers have asked for `demands` (None: not asked), in that order."""
    dispatcher = DemandDispatcher(**options)
    subs = [SubRef() for _ in demands]
    for sub in subs:
        dispatcher.subscribe(sub, OPTIONS)
    for sub, demand in zip(subs, demands, strict=True):
        if demand is not None:
            dispatcher.ask(sub, demand)
    return dispatcher, subs


def sends(dispatcher, *events):
    return dispatcher.dispatch(list(events)).sends


def test_dd1_a_newcomer_has_no_demand_and_asks_for_nothing_upstream():
    dispatcher = DemandDispatcher()
    sub = SubRef()
    assert dispatcher.subscribe(sub, OPTIONS) == 0
    assert dispatcher.open_demand(sub) == 0
    assert dispatcher.dispatch([1, 2]).leftover == [1, 2]


def test_dd2_an_ask_goes_upstream_in_full():
    dispatcher, (sub,) = wired(None)
    upstream, work = dispatcher.ask(sub, 10)
    assert (upstream, work) == (10, ([], [], [], []))


def test_dd2_asks_add_up():
    dispatcher, (sub,) = wired(3)
    dispatcher.ask(sub, 4)
    assert dispatcher.open_demand(sub) == 7


def test_dd2_pending_demand_is_used_up_before_more_is_asked_for():
    dispatcher, (first, second) = wired(10, None)
    dispatcher.cancel(first)
    assert dispatcher.ask(second, 4)[0] == 0
    assert dispatcher.ask(second, 15)[0] == 9
    assert dispatcher.pending == 0


def test_dd2_the_larger_demand_is_served_first():
    dispatcher, (small, large) = wired(2, 5)
    assert sends(dispatcher, "a") == [(large, ["a"])]
    assert dispatcher.open_demand(small) == 2


def test_dd2_equals_are_served_in_the_order_of_their_asks():
    dispatcher, (a, b, c) = wired(None, None, None)
    for sub in (b, a, c):
        dispatcher.ask(sub, 1)
    assert sends(dispatcher, 1, 2, 3) == [(b, [1]), (a, [2]), (c, [3])]


def test_dd3_a_chunk_goes_to_the_head_as_one_message_as_far_as_it_can_take_it():
    dispatcher, (a, b, c) = wired(10, 10, 10)
    events = list(range(25))
    assert dispatcher.dispatch(events).sends == [(a, events[:10]), (b, events[10:20]), (c, events[20:])]
    assert [dispatcher.open_demand(sub) for sub in (a, b, c)] == [0, 0, 5]


def test_dd3_events_one_by_one_alternate_between_equal_consumers():
    dispatcher, (a, b) = wired(2, 2)
    assert [sends(dispatcher, n)[0][0] for n in range(4)] == [a, b, a, b]


def test_dd3_what_nobody_asked_for_is_the_leftover():
    dispatcher, (a, b) = wired(2, 1)
    work = dispatcher.dispatch([1, 2, 3, 4, 5])
    assert work.sends == [(a, [1, 2]), (b, [3])]
    assert work.leftover == [4, 5]


def test_dd3_without_consumers_everything_is_leftover():
    assert DemandDispatcher().dispatch([1]).leftover == [1]


def test_dd4_what_is_buffered_reduces_pending_so_that_it_is_not_asked_for_twice():
    dispatcher, (first, second) = wired(10, None)
    dispatcher.cancel(first)
    assert dispatcher.dispatch(["a", "b", "c"]).leftover == ["a", "b", "c"]
    assert dispatcher.pending == 7
    assert dispatcher.ask(second, 10)[0] == 3


def test_dd4_pending_never_sinks_below_zero():
    dispatcher, (first,) = wired(1)
    dispatcher.cancel(first)
    dispatcher.dispatch(["a", "b", "c"])
    assert dispatcher.pending == 0


def test_dd5_the_demand_of_one_that_leaves_becomes_pending():
    dispatcher, (first, second) = wired(10, None)
    assert dispatcher.cancel(first) == (0, [])
    assert dispatcher.pending == 10
    assert dispatcher.ask(second, 15)[0] == 5


def test_dd5_cancelling_a_stranger_changes_nothing():
    dispatcher, _ = wired(3)
    assert dispatcher.cancel(SubRef()) == (0, [])
    assert dispatcher.demand == 3


def test_dd6_the_first_ask_is_the_usual_one_and_a_greedy_consumer_is_named_once(caplog):
    dispatcher, (modest, greedy) = wired(10, None)
    with caplog.at_level(logging.WARNING, "tidegate.stages"):
        dispatcher.ask(modest, 10)
        assert caplog.messages == []
        assert dispatcher.ask(greedy, 11)[0] == 11
        dispatcher.ask(greedy, 12)
    assert len(caplog.messages) == 1
    assert "11 events at once where 10 are usual" in caplog.text


def test_dd6_the_usual_demand_can_be_said(caplog):
    dispatcher, (sub,) = wired(None, max_demand=100)
    dispatcher.ask(sub, 100)
    assert caplog.messages == []


def test_dd7_shuffling_orders_equals_by_chance_once():
    def order(seed):
        dispatcher, subs = wired(*[1] * 10, shuffle=True, rng=Random(seed))
        return [subs.index(sub) for sub, _ in dispatcher.dispatch(list(range(10))).sends]

    assert order(1) == order(1)
    assert sorted(order(1)) == list(range(10))
    assert len({tuple(order(seed)) for seed in range(5)}) > 1


def test_dd7_after_the_first_dispatch_the_order_is_that_of_the_asks():
    dispatcher, subs = wired(*[1] * 5, shuffle=True, rng=Random(3))
    dispatcher.dispatch(list(range(5)))
    for sub in subs:
        dispatcher.ask(sub, 1)
    assert [sub for sub, _ in dispatcher.dispatch(list(range(5))).sends] == subs


def test_dd7_without_shuffling_the_first_to_ask_is_the_first_served():
    dispatcher, subs = wired(1, 1, 1)
    assert [sub for sub, _ in dispatcher.dispatch([1, 2, 3]).sends] == subs


def test_retract_takes_back_open_demand_and_says_how_much():
    dispatcher, (sub,) = wired(5)
    assert dispatcher.retract(sub, 3) == 3
    assert dispatcher.open_demand(sub) == 2
    assert dispatcher.retract(sub, 3) == 2
    assert dispatcher.retract(sub, 3) == 0
    assert dispatcher.ask(sub, 4)[0] == 4


def test_retract_leaves_what_was_delivered():
    dispatcher, (sub,) = wired(5)
    dispatcher.dispatch([1, 2, 3])
    assert dispatcher.retract(sub, 5) == 2


def test_infos_wait_for_nothing():
    assert DemandDispatcher().info("hello") == ["hello"]


def test_dispatch_leaves_the_callers_list_alone():
    dispatcher, _ = wired(2)
    events = [1, 2, 3]
    dispatcher.dispatch(events)
    assert events == [1, 2, 3]


script = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("ask"), st.integers(0, 3), st.integers(1, 6)),
        st.tuples(st.just("retract"), st.integers(0, 3), st.integers(1, 6)),
        st.tuples(st.just("dispatch"), st.just(0), st.integers(0, 9)),
    ),
    max_size=60,
)


@given(script)
def test_i1_i2_i3_i4_i6_demand_and_events_add_up_whatever_happens(steps):
    dispatcher = DemandDispatcher()
    live = {}
    told = emitted = sent_total = 0
    asked, got = {}, {}
    for verb, who, n in steps:
        sub = live.get(who)
        if verb == "subscribe" and sub is None:
            live[who] = sub = SubRef()
            asked[sub], got[sub] = 0, []
            told += dispatcher.subscribe(sub, OPTIONS)
        elif verb == "cancel" and sub is not None:
            told += dispatcher.cancel(live.pop(who))[0]
        elif verb == "ask" and sub is not None:
            told += dispatcher.ask(sub, n)[0]
            asked[sub] += n
        elif verb == "retract" and sub is not None:
            taken = dispatcher.retract(sub, n)
            asked[sub] -= taken
            told -= taken
        elif verb == "dispatch":
            count = min(n, dispatcher.demand)  # a producer that delivers no more than it was asked for
            events = list(range(emitted, emitted + count))
            emitted += count
            work = dispatcher.dispatch(events)
            handed = [event for _, batch in work.sends for event in batch]
            assert handed + work.leftover == events
            sent_total += len(handed)
            told -= len(work.leftover)  # it is buffered: the shell serves the next ask with it
            for receiver, batch in work.sends:
                got[receiver] += batch
        for each, limit in asked.items():
            assert len(got[each]) <= limit
            assert got[each] == sorted(got[each])
        assert dispatcher.wanted == sum(dispatcher.open_demand(each) for each in live.values())
        assert dispatcher.wanted + dispatcher.pending == told - sent_total


@pytest.mark.parametrize("crashes", [1, 10, 100])
def test_i6_consumers_that_crash_and_come_back_leak_no_demand(crashes):
    dispatcher, told = DemandDispatcher(), 0
    for _ in range(crashes):
        sub = SubRef()
        dispatcher.subscribe(sub, OPTIONS)
        told += dispatcher.ask(sub, 10)[0]
        dispatcher.cancel(sub)
    assert (told, dispatcher.pending) == (10, 10)
