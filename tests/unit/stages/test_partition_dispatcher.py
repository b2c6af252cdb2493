"""Rules PD1 to PD7 and invariants I1 to I4, I6 of the dispatcher that gives every event to the consumer of its partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages import BadOption, BadReturn, PartitionDispatcher, Rejected, SubRef, Subscription, UnknownPartition


def in_partition(name):
    return Subscription("producer", partition=name)


def by_remainder(count=2):
    return PartitionDispatcher(count, hash=lambda n: (n, n % count))


def wired(dispatcher, *names):
    subs = [SubRef() for _ in names]
    for sub, name in zip(subs, names, strict=True):
        dispatcher.subscribe(sub, in_partition(name))
    return subs


def test_pd1_a_number_of_partitions_names_them_from_zero():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 2)
    dispatcher.ask(b, 2)
    assert dispatcher.dispatch([0, 1, 2, 3]).sends == [(a, [0, 2]), (b, [1, 3])]


def test_pd1_partitions_may_have_names():
    dispatcher = PartitionDispatcher(["odd", "even"], hash=lambda n: (n, "odd" if n % 2 else "even"))
    odd, even = wired(dispatcher, "odd", "even")
    dispatcher.ask(odd, 3)
    dispatcher.ask(even, 3)
    assert dict(dispatcher.dispatch([1, 2, 3]).sends) == {odd: [1, 3], even: [2]}


@pytest.mark.parametrize(
    ("arguments", "options", "option"),
    [((0,), {}, "partitions"), (([],), {}, "partitions"), ((["a"],), {}, "hash"), ((2,), {"key": id, "hash": id}, "key")],
)
def test_pd1_options_that_cannot_hold_are_refused_by_name(arguments, options, option):
    with pytest.raises(BadOption) as caught:
        PartitionDispatcher(*arguments, **options)
    assert caught.value.option == option


def test_pd1_names_with_a_key_are_chosen_by_its_hash():
    dispatcher = PartitionDispatcher(["a", "b"], key=lambda event: event["user"])
    a, b = wired(dispatcher, "a", "b")
    dispatcher.ask(a, 100)
    dispatcher.ask(b, 100)
    events = [{"user": f"user-{n % 10}", "n": n} for n in range(100)]
    got = {event["n"]: sub for sub, batch in dispatcher.dispatch(events).sends for event in batch}
    assert all(got[n] is got[n % 10] for n in range(100))
    assert set(got.values()) == {a, b}


def test_pd1_the_default_hash_is_the_same_in_every_process():
    dispatcher = PartitionDispatcher(3)
    subs = wired(dispatcher, 0, 1, 2)
    for sub in subs:
        dispatcher.ask(sub, 10)
    placed = {subs.index(sub): batch for sub, batch in dispatcher.dispatch([f"job-{n}" for n in range(6)]).sends}
    assert placed == {0: ["job-1", "job-2", "job-3", "job-5"], 2: ["job-0", "job-4"]}


def test_pd2_an_ask_goes_upstream_in_full():
    a, _ = wired(dispatcher := by_remainder(), 0, 1)
    assert dispatcher.ask(a, 5)[0] == 5
    assert (dispatcher.demand, dispatcher.open_demand(a)) == (5, 5)


def test_pd2_an_ask_is_served_from_the_queue_and_goes_upstream_all_the_same():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 3)
    dispatcher.dispatch([1, 3, 5])
    upstream, work = dispatcher.ask(b, 5)
    assert (upstream, work.sends) == (5, [(b, [1, 3, 5])])
    assert dispatcher.open_demand(b) == 2


def test_pd2_a_queue_is_served_as_far_as_the_ask_goes():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 3)
    dispatcher.dispatch([1, 3, 5])
    assert dispatcher.ask(b, 2)[1].sends == [(b, [1, 3])]
    assert dispatcher.ask(b, 2)[1].sends == [(b, [5])]
    assert dispatcher.open_demand(b) == 1


def test_pd2_pending_demand_is_used_up_before_more_is_asked_for():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 10)
    dispatcher.cancel(a)
    assert dispatcher.ask(b, 4)[0] == 0
    assert dispatcher.ask(b, 10)[0] == 4


def test_pd3_events_beyond_the_open_demand_of_their_partition_queue_up():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 4)
    dispatcher.ask(b, 1)
    work = dispatcher.dispatch([1, 3, 5, 0])
    assert work.sends == [(a, [0]), (b, [1])]
    assert (work.leftover, dispatcher.queued) == ([], 2)


def test_pd3_events_that_nobody_asked_for_are_leftover_and_not_hashed():
    hashed = []
    dispatcher = PartitionDispatcher(1, hash=lambda n: (hashed.append(n), (n, 0))[1])
    (sub,) = wired(dispatcher, 0)
    dispatcher.ask(sub, 2)
    assert dispatcher.dispatch([1, 2, 3, 4]).leftover == [3, 4]
    assert hashed == [1, 2]


def test_pd3_a_discarded_event_costs_no_demand():
    dispatcher = PartitionDispatcher(1, hash=lambda n: None if n < 0 else (n, 0))
    (sub,) = wired(dispatcher, 0)
    dispatcher.ask(sub, 2)
    work = dispatcher.dispatch([-1, 1, -2, 2, 3])
    assert (work.sends, work.leftover, dispatcher.demand) == ([(sub, [1, 2])], [3], 0)


def test_pd3_the_hash_may_rewrite_the_event():
    dispatcher = PartitionDispatcher(1, hash=lambda n: (n * 10, 0))
    (sub,) = wired(dispatcher, 0)
    dispatcher.ask(sub, 1)
    assert dispatcher.dispatch([4]).sends == [(sub, [40])]


def test_pd3_a_partition_without_a_consumer_queues_until_one_comes():
    (a,) = wired(dispatcher := by_remainder(), 0)
    dispatcher.ask(a, 2)
    assert dispatcher.dispatch([1, 3]).sends == []
    (b,) = wired(dispatcher, 1)
    assert dispatcher.ask(b, 5)[1].sends == [(b, [1, 3])]


def test_pd4_open_demand_of_one_that_leaves_becomes_pending():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 3)
    assert dispatcher.cancel(a) == (0, [])
    assert dispatcher.pending == 3
    assert dispatcher.ask(b, 3)[0] == 0


def test_pd4_a_queue_is_handed_back_and_asked_for_again():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    dispatcher.dispatch([1, 3, 5])
    assert dispatcher.cancel(b) == (3, [1, 3, 5])
    assert (dispatcher.demand, dispatcher.queued) == (5, 0)


def test_pd4_cancelling_a_stranger_changes_nothing():
    assert by_remainder().cancel(SubRef()) == (0, [])


def test_pd5_an_unknown_partition_raises_and_nothing_was_handed_out():
    dispatcher = PartitionDispatcher(["foo", "bar"], hash=lambda n: (n, "foo" if n == 1 else "oops"))
    (foo,) = wired(dispatcher, "foo")
    dispatcher.ask(foo, 3)
    with pytest.raises(UnknownPartition, match=r"'oops'.*'foo', 'bar'"):
        dispatcher.dispatch([1, 2])
    assert (dispatcher.demand, dispatcher.open_demand(foo), dispatcher.queued) == (3, 3, 0)


def test_pd5_a_hash_that_returns_something_else_raises():
    dispatcher = PartitionDispatcher(["foo"], hash=lambda _: "foo")
    (foo,) = wired(dispatcher, "foo")
    dispatcher.ask(foo, 3)
    with pytest.raises(BadReturn, match="hash returned 'foo'"):
        dispatcher.dispatch([1])


@pytest.mark.parametrize(("name", "reason"), [(None, "no_partition"), (7, "unknown_partition"), (0, "partition_taken")])
def test_pd5_bad_subscriptions_are_refused(name, reason):
    wired(dispatcher := by_remainder(), 0)
    with pytest.raises(Rejected) as caught:
        dispatcher.subscribe(SubRef(), in_partition(name))
    assert caught.value.reason == reason


def test_pd5_a_partition_is_free_again_when_its_consumer_has_left():
    (first,) = wired(dispatcher := by_remainder(), 0)
    dispatcher.cancel(first)
    (second,) = wired(dispatcher, 0)
    assert dispatcher.ask(second, 1)[0] == 1


def test_pd6_an_info_is_due_at_once_when_no_partition_has_a_queue():
    _, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(b, 3)
    assert dispatcher.info("hello") == ["hello"]


def test_pd6_an_info_waits_until_the_queue_before_it_is_drained():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    dispatcher.dispatch([1, 3])
    assert dispatcher.info("hello") == []
    dispatcher.dispatch([5])
    assert dispatcher.ask(b, 2)[1].infos == []
    work = dispatcher.ask(b, 1)[1]
    assert (work.infos, work.sends) == (["hello"], [(b, [5])])


def test_pd6_an_info_waits_for_every_queue_there_was():
    dispatcher = PartitionDispatcher(3, hash=lambda n: (n, n % 3))
    a, b, c = wired(dispatcher, 0, 1, 2)
    dispatcher.ask(c, 4)
    dispatcher.dispatch([0, 1])
    assert dispatcher.info("hello") == []
    assert dispatcher.ask(a, 2)[1].infos == []
    assert dispatcher.ask(b, 2)[1].infos == ["hello"]


def test_pd6_a_message_is_cut_where_an_info_was():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    dispatcher.dispatch([1, 3])
    dispatcher.info("hello")
    dispatcher.dispatch([5])
    work = dispatcher.ask(b, 5)[1]
    assert (work.sends, work.infos) == ([(b, [1, 3]), (b, [5])], ["hello"])


def test_pd6_a_partition_whose_demand_is_used_up_has_a_queue_though_an_empty_one():
    a, _ = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 1)
    dispatcher.dispatch([0])
    assert dispatcher.info("hello") == []
    assert dispatcher.ask(a, 1)[1].infos == ["hello"]


def test_pd6_an_info_is_set_free_by_the_end_of_the_consumer_that_it_waited_for():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    dispatcher.dispatch([1, 3])
    dispatcher.info("hello")
    dispatcher.cancel(b)
    assert dispatcher.due() == ["hello"]
    assert dispatcher.due() == []


def test_pd7_a_hot_partition_makes_its_queue_grow():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(b, 10)
    for _ in range(10):
        dispatcher.ask(a, 10)
        dispatcher.dispatch([1] * 10)
    assert dispatcher.queued == 90


def test_close_hands_out_what_still_waits():
    a, _ = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    dispatcher.dispatch([1, 3])
    dispatcher.info("hello")
    assert dispatcher.close() == [1, 3]
    assert dispatcher.close() == []


def test_retract_takes_back_open_demand_that_the_producer_still_owes():
    a, _ = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    assert dispatcher.retract(a, 3) == 3
    assert (dispatcher.demand, dispatcher.open_demand(a)) == (2, 2)


def test_retract_cannot_take_back_what_went_into_the_queue_of_another_partition():
    a, b = wired(dispatcher := by_remainder(), 0, 1)
    dispatcher.ask(a, 5)
    dispatcher.dispatch([1, 3, 5, 7])
    assert dispatcher.retract(a, 5) == 1
    assert dispatcher.open_demand(a) == 4
    assert dispatcher.ask(b, 4)[1].sends == [(b, [1, 3, 5, 7])]


script = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("ask"), st.integers(0, 2), st.integers(1, 6)),
        st.tuples(st.just("retract"), st.integers(0, 2), st.integers(1, 6)),
        st.tuples(st.just("info"), st.just(0), st.just(0)),
        st.tuples(st.just("dispatch"), st.just(0), st.lists(st.integers(0, 3), max_size=9)),
    ),
    max_size=60,
)


@given(script)
def test_i1_i2_i3_i4_i6_demand_and_events_add_up_whatever_happens(steps):
    # An event is (serial number, partition); partition 3 does not exist, its events are discarded.
    dispatcher = PartitionDispatcher(3, hash=lambda event: None if event[1] == 3 else (event, event[1]))
    live, asked, got = {}, {}, {}
    told = emitted = 0
    delivered, leftover, handed_back, discarded = [], [], [], []
    infos, due = 0, []
    for verb, who, what in steps:
        sub = live.get(who)
        if verb == "subscribe" and sub is None:
            live[who] = sub = SubRef()
            asked[sub], got[sub] = 0, []
            told += dispatcher.subscribe(sub, in_partition(who))
            continue
        if verb == "cancel" and sub is not None:
            upstream, events = dispatcher.cancel(live.pop(who))
            told += upstream
            handed_back += events
            due += dispatcher.due()
            continue
        if verb == "retract" and sub is not None:
            taken = dispatcher.retract(sub, what)
            told -= taken
            asked[sub] -= taken
            continue
        if verb == "info":
            infos += 1
            due += dispatcher.info(infos)
            continue
        if verb == "ask" and sub is not None:
            upstream, work = dispatcher.ask(sub, what)
            told += upstream
            asked[sub] += what
        elif verb == "dispatch":
            events = [(emitted + index, partition) for index, partition in enumerate(what)]
            emitted += len(events)
            work = dispatcher.dispatch(events)
            seen = events[: len(events) - len(work.leftover)]
            discarded += [event for event in seen if event[1] == 3]
            assert seen + work.leftover == events
            leftover += work.leftover
        else:
            continue
        due += work.infos
        for receiver, batch in work.sends:
            delivered += batch
            got[receiver] += batch
        for each, limit in asked.items():
            assert len(got[each]) <= limit
            assert got[each] == sorted(got[each])
        queued = dispatcher.queued
        assert len(delivered) + len(leftover) + queued + len(handed_back) + len(discarded) == emitted
        open_demand = sum(dispatcher.open_demand(each) for each in live.values())
        assert open_demand + dispatcher.pending - queued == dispatcher.demand
        met = len(delivered) + queued + len(handed_back)
        assert dispatcher.demand == told - met
    everything = delivered + leftover + handed_back + discarded + dispatcher.close()
    assert sorted(everything) == sorted(set(everything))
    assert len(everything) == emitted
    assert len(due) == len(set(due))
