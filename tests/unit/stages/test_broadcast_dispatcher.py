"""Rules BD1 to BD5 and invariants I1 to I5 of the dispatcher that gives every event to everybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages import BroadcastDispatcher, Rejected, SubRef, Subscription

OPTIONS = Subscription("producer")


def subscribed(count=2):
    dispatcher = BroadcastDispatcher()
    subs = [SubRef() for _ in range(count)]
    for sub in subs:
        dispatcher.subscribe(sub, OPTIONS)
    return dispatcher, subs


def selecting(selector):
    return Subscription("producer", selector=selector)


def test_bd1_only_what_all_have_asked_for_goes_upstream():
    dispatcher, (a, b) = subscribed()
    assert dispatcher.ask(a, 10)[0] == 0
    assert dispatcher.ask(b, 4)[0] == 4
    assert dispatcher.ask(b, 10)[0] == 6
    assert (dispatcher.wanted, dispatcher.demand) == (10, 10)


def test_bd1_a_single_consumer_is_the_slowest_of_all():
    dispatcher, (only,) = subscribed(1)
    assert dispatcher.ask(only, 7)[0] == 7


def test_bd2_a_newcomer_has_everybody_wait_until_it_asks():
    dispatcher, (a,) = subscribed(1)
    dispatcher.ask(a, 5)
    newcomer = SubRef()
    assert dispatcher.subscribe(newcomer, OPTIONS) == 0
    assert dispatcher.wanted == 0
    assert dispatcher.open_demand(a) == 5
    assert dispatcher.dispatch([1]).leftover == [1]


def test_bd2_what_was_requested_before_a_newcomer_came_is_not_requested_again():
    dispatcher, (a,) = subscribed(1)
    dispatcher.ask(a, 5)
    newcomer = SubRef()
    dispatcher.subscribe(newcomer, OPTIONS)
    assert dispatcher.ask(newcomer, 7)[0] == 0
    assert dispatcher.wanted == 5
    assert dispatcher.ask(a, 4)[0] == 2


def test_bd2_a_second_subscription_of_one_consumer_is_refused():
    dispatcher, consumer = BroadcastDispatcher(), object()
    first, second = SubRef(consumer), SubRef(consumer)
    dispatcher.subscribe(first, OPTIONS)
    with pytest.raises(Rejected) as caught:
        dispatcher.subscribe(second, OPTIONS)
    assert caught.value.reason == "already_subscribed"
    assert dispatcher.cancel(second) == (0, [])
    assert dispatcher.ask(first, 3)[0] == 3


def test_bd2_a_consumer_that_left_may_come_back():
    dispatcher, consumer = BroadcastDispatcher(), object()
    first, second = SubRef(consumer), SubRef(consumer)
    dispatcher.subscribe(first, OPTIONS)
    dispatcher.cancel(first)
    assert dispatcher.subscribe(second, OPTIONS) == 0


def test_bd3_everybody_gets_the_shared_part_as_one_message_and_the_rest_is_leftover():
    dispatcher, (a, b) = subscribed()
    dispatcher.ask(a, 2)
    dispatcher.ask(b, 3)
    work = dispatcher.dispatch([1, 2, 3])
    assert sorted(work.sends, key=lambda send: send[0] is b) == [(a, [1, 2]), (b, [1, 2])]
    assert work.leftover == [3]
    assert (dispatcher.wanted, dispatcher.demand) == (0, 0)


def test_bd3_without_shared_demand_everything_is_leftover():
    dispatcher, (a, _) = subscribed()
    dispatcher.ask(a, 5)
    work = dispatcher.dispatch([1, 2])
    assert (work.sends, work.leftover) == ([], [1, 2])


def test_bd3_fewer_events_than_demand_leave_the_rest_of_it_open():
    dispatcher, (a, b) = subscribed()
    dispatcher.ask(a, 5)
    dispatcher.ask(b, 5)
    dispatcher.dispatch([1, 2])
    assert (dispatcher.wanted, dispatcher.demand) == (3, 3)


def test_bd3_receivers_do_not_share_a_list():
    dispatcher, subs = subscribed()
    for sub in subs:
        dispatcher.ask(sub, 2)
    (_, one), (_, other) = dispatcher.dispatch([1, 2]).sends
    one.clear()
    assert other == [1, 2]


def test_bd4_the_end_of_the_slowest_sets_demand_free():
    dispatcher, (a, slow) = subscribed()
    dispatcher.ask(a, 10)
    dispatcher.ask(slow, 3)
    assert dispatcher.cancel(slow) == (7, [])
    assert dispatcher.wanted == 10


def test_bd4_what_was_requested_survives_the_last_consumer():
    dispatcher, (a,) = subscribed(1)
    dispatcher.ask(a, 10)
    assert dispatcher.cancel(a) == (0, [])
    assert (dispatcher.wanted, dispatcher.demand) == (0, 10)
    newcomer = SubRef()
    dispatcher.subscribe(newcomer, OPTIONS)
    assert dispatcher.ask(newcomer, 15)[0] == 5


def test_bd5_a_selector_drops_events_and_asks_for_as_many_on_behalf_of_its_consumer():
    dispatcher = BroadcastDispatcher()
    every, even = SubRef(), SubRef()
    dispatcher.subscribe(every, OPTIONS)
    dispatcher.subscribe(even, selecting(lambda n: n % 2 == 0))
    dispatcher.ask(every, 4)
    dispatcher.ask(even, 4)
    work = dispatcher.dispatch([1, 2, 3, 4])
    assert dict(work.sends) == {every: [1, 2, 3, 4], even: [2, 4]}
    assert work.reask == [(even, 2)]


def test_bd5_a_selector_that_wants_nothing_makes_an_empty_message():
    dispatcher, sub = BroadcastDispatcher(), SubRef()
    dispatcher.subscribe(sub, selecting(lambda _: False))
    dispatcher.ask(sub, 3)
    work = dispatcher.dispatch([1, 2])
    assert (work.sends, work.reask) == ([(sub, [])], [(sub, 2)])


def test_bd5_a_selector_that_is_no_function_is_refused():
    with pytest.raises(Rejected, match="a selector is a function of one event, got: 'even'"):
        BroadcastDispatcher().subscribe(SubRef(), selecting("even"))


def test_bd5_a_selector_that_raises_leaves_everything_as_it_was():
    dispatcher, sub = BroadcastDispatcher(), SubRef()
    dispatcher.subscribe(sub, selecting(lambda n: 1 / n > 0))
    dispatcher.ask(sub, 3)
    with pytest.raises(ZeroDivisionError):
        dispatcher.dispatch([1, 0])
    assert (dispatcher.wanted, dispatcher.demand) == (3, 3)


def test_retract_takes_the_surplus_first_and_leaves_the_shared_part_alone():
    dispatcher, (a, b) = subscribed()
    dispatcher.ask(a, 10)
    dispatcher.ask(b, 4)
    assert dispatcher.retract(a, 3) == 3
    assert (dispatcher.open_demand(a), dispatcher.wanted, dispatcher.demand) == (7, 4, 4)


def test_retract_takes_of_the_shared_part_what_the_surplus_does_not_cover():
    dispatcher, (a, b) = subscribed()
    dispatcher.ask(a, 5)
    dispatcher.ask(b, 4)
    assert dispatcher.retract(a, 3) == 3
    assert (dispatcher.wanted, dispatcher.demand) == (2, 2)
    assert dispatcher.open_demand(b) == 4
    assert dispatcher.ask(a, 2)[0] == 2


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
def test_i1_i2_i3_i5_everybody_sees_the_same_and_nobody_more_than_it_asked_for(steps):
    dispatcher = BroadcastDispatcher()
    live, asked, got, since = {}, {}, {}, {}
    emitted, broadcast = 0, []
    for verb, who, n in steps:
        sub = live.get(who)
        if verb == "subscribe" and sub is None:
            live[who] = sub = SubRef()
            asked[sub], got[sub], since[sub] = 0, [], len(broadcast)
            dispatcher.subscribe(sub, OPTIONS)
        elif verb == "cancel" and sub is not None:
            dispatcher.cancel(live.pop(who))
        elif verb == "ask" and sub is not None:
            dispatcher.ask(sub, n)
            asked[sub] += n
        elif verb == "retract" and sub is not None:
            asked[sub] -= dispatcher.retract(sub, n)
        elif verb == "dispatch":
            events = list(range(emitted, emitted + n))
            emitted += n
            work = dispatcher.dispatch(events)
            sent = work.sends[0][1] if work.sends else []
            assert sent + work.leftover == events
            assert {receiver for receiver, _ in work.sends} in (set(), set(live.values()))
            broadcast += sent
            for receiver, batch in work.sends:
                got[receiver] += batch
        for each in live.values():
            assert got[each] == broadcast[since[each] :]
            assert len(got[each]) + dispatcher.open_demand(each) == asked[each]
        assert 0 <= dispatcher.wanted <= dispatcher.demand


@given(script)
def test_i6_what_was_requested_is_dispatched_or_still_expected(steps):
    dispatcher = BroadcastDispatcher()
    live = {}
    told = sent = 0
    for verb, who, n in steps:
        if verb == "subscribe" and who not in live:
            live[who] = SubRef()
            told += dispatcher.subscribe(live[who], OPTIONS)
        elif verb == "cancel" and who in live:
            told += dispatcher.cancel(live.pop(who))[0]
        elif verb == "ask" and who in live:
            told += dispatcher.ask(live[who], n)[0]
        elif verb == "dispatch":
            sent += n - len(dispatcher.dispatch(list(range(n))).leftover)
        assert dispatcher.demand == told - sent
