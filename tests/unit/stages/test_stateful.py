"""Invariants I1 to I6, stateful: a producer's pure cores under whatever consumers and producer do, held to them after every step."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tidegate.stages import BroadcastDispatcher, Buffer, DemandDispatcher, Keep, PartitionDispatcher, Subscription

SEATS = ("a", "b", "c")  # who may subscribe; a partition dispatcher gives each a partition of its own


class Cores(RuleBasedStateMachine):
    """A dispatcher and a buffer, put together as a producer does, and a ledger of what they said and did."""

    def __init__(self):
        super().__init__()
        self.dispatcher = self.make()
        self.buffer = None
        self.live = {}  # seat -> reference: any hashable will do
        self.asked, self.got = {}, {}
        self.emitted = self.made = 0
        self.needed = 0  # what the dispatcher said is to be asked upstream
        self.dispatched = 0  # events that it took, from the producer or out of the buffer
        self.absorbed = 0  # demand that nobody is behind any more, met by events that wait in the buffer
        self.vanished, self.discarded, self.handed_back = [], [], []

    def wants(self, event):
        return True

    def where(self, event):
        return event

    @precondition(lambda self: self.buffer is None)
    @rule(size=st.none() | st.integers(0, 9), keep=st.sampled_from(Keep))
    def choose_buffer(self, size, keep):
        self.buffer = Buffer(size, keep=keep)

    @precondition(lambda self: self.buffer is not None)
    @rule(seat=st.sampled_from(SEATS))
    def subscribe(self, seat):
        if seat in self.live:
            return
        self.made += 1
        sub = self.live[seat] = f"{seat}{self.made}"
        self.asked[sub], self.got[sub] = 0, []
        self.needed += self.dispatcher.subscribe(sub, Subscription("producer", partition=seat))
        self.joined(sub)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), n=st.integers(1, 9))
    def ask(self, data, n):
        sub = data.draw(st.sampled_from(sorted(self.live.values())))
        self.asked[sub] += n
        upstream, work = self.dispatcher.ask(sub, n)
        self.deliver(work)
        self.serve(upstream)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), n=st.integers(1, 9))
    def retract(self, data, n):
        sub = data.draw(st.sampled_from(sorted(self.live.values())))
        before = self.dispatcher.demand
        taken = self.dispatcher.retract(sub, n)
        assert 0 <= taken <= n
        self.asked[sub] -= taken
        self.needed -= before - self.dispatcher.demand

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def leave(self, data):
        seat = data.draw(st.sampled_from(sorted(self.live)))
        upstream, events = self.dispatcher.cancel(self.live.pop(seat))
        self.handed_back += events
        self.serve(upstream)

    @precondition(lambda self: self.buffer is not None)
    @rule(n=st.integers(1, 12))
    def emit(self, n):
        events = list(range(self.emitted, self.emitted + n))
        self.emitted += n
        self.dispatch(events)

    def serve(self, upstream):
        self.needed += upstream
        while len(self.buffer) and (wanted := self.dispatcher.wanted):
            self.dispatch(self.buffer.take(wanted)[0])

    def dispatch(self, events):
        pending = getattr(self.dispatcher, "pending", 0)
        work = self.dispatcher.dispatch(events[:])
        taken = events[: len(events) - len(work.leftover)]
        assert taken + work.leftover == events
        self.dispatched += len([event for event in taken if self.wants(event)])
        self.vanished += [event for event in taken if not self.wants(event)]
        self.absorbed += max(pending - getattr(self.dispatcher, "pending", 0), 0)
        self.deliver(work)
        self.discarded += self.buffer.store(work.leftover)
        self.was_dispatched(taken)

    def deliver(self, work):
        for sub, events in work.sends:
            assert sub in self.live.values(), "only who is subscribed is sent anything"
            self.got[sub] += events

    def joined(self, sub):
        """Take note of a newcomer."""

    def was_dispatched(self, events):
        """Take note of events that were taken."""

    @invariant()
    def i1_nobody_gets_more_than_it_asked_for(self):
        assert all(len(self.got[sub]) <= asked for sub, asked in self.asked.items())

    @invariant()
    def i2_every_event_is_in_exactly_one_place(self):
        got = [event for events in self.got.values() for event in events]
        queued = self.dispatcher.queued if isinstance(self.dispatcher, PartitionDispatcher) else 0
        buffered = 0 if self.buffer is None else len(self.buffer)
        places = len(got) + queued + buffered + len(self.vanished) + len(self.discarded) + len(self.handed_back)
        assert places == self.emitted
        seen = [*got, *self.vanished, *self.discarded, *self.handed_back]
        assert len(set(seen)) == len(seen), "and never in two"

    @invariant()
    def i3_everybody_gets_its_events_in_the_order_of_their_emission(self):
        assert all(events == sorted(events) for events in self.got.values())

    @invariant()
    def i4_i6_no_demand_is_lost_or_told_twice(self):
        assert self.dispatcher.demand == self.needed - self.dispatched - self.absorbed

    @invariant()
    def open_demand_adds_up(self):
        open_demand = {sub: self.dispatcher.open_demand(sub) for sub in self.live.values()}
        assert all(demand == self.asked[sub] - len(self.got[sub]) for sub, demand in open_demand.items())


class DemandCores(Cores):
    make = DemandDispatcher

    @invariant()
    def i4_open_and_pending_is_what_the_producer_owes(self):
        assert self.dispatcher.wanted == sum(self.dispatcher.open_demand(sub) for sub in self.live.values())
        assert self.dispatcher.demand == self.dispatcher.wanted + self.dispatcher.pending


class PartitionCores(Cores):
    def make(self):
        return PartitionDispatcher(SEATS, hash=lambda n: None if n % 7 == 3 else (n, SEATS[n % 3]))

    def wants(self, event):
        return event % 7 != 3

    @invariant()
    def i4_open_and_pending_less_the_queues_is_what_the_producer_owes(self):
        open_demand = sum(self.dispatcher.open_demand(sub) for sub in self.live.values())
        assert self.dispatcher.demand == open_demand + self.dispatcher.pending - self.dispatcher.queued


class BroadcastCores(Cores):
    make = BroadcastDispatcher

    def __init__(self):
        super().__init__()
        self.sent, self.since = [], {}

    def joined(self, sub):
        self.since[sub] = len(self.sent)

    def was_dispatched(self, events):
        self.sent += events

    @invariant()
    def i2_every_event_is_in_exactly_one_place(self):
        buffered = 0 if self.buffer is None else len(self.buffer)
        assert len(self.sent) + buffered + len(self.discarded) == self.emitted
        assert len({*self.sent, *self.discarded}) == len(self.sent) + len(self.discarded)

    @invariant()
    def i5_all_who_are_present_see_the_same(self):
        assert all(self.got[sub] == self.sent[self.since[sub] :] for sub in self.live.values())


@pytest.mark.parametrize("machine", [DemandCores, BroadcastCores, PartitionCores])
def test_i1_to_i6_hold_after_every_step(machine):
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
