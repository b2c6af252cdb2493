"""Suspects are held so that a killer is found soon and nobody else dies (protocol L8)."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.runs import job

from tidegate.jobs import State
from tidegate.runtime.quarantine import GROUP, Quarantine, Room, alone_from
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import LostNode, Suspect


def enter(quarantine, wanted=100, *, queue="email", poison_after=3, wake=lambda: None):
    return quarantine.enter(queue, wanted, poison_after=poison_after, wake=wake)


def holding(*crashes, queue="email"):
    """Return a quarantine that holds suspects of so many losses each."""
    quarantine = Quarantine()
    for job_id, count in enumerate(crashes, 1):
        room = enter(quarantine, queue=queue)
        quarantine.settle(queue, room, [job(job_id, crashes=count)])
    return quarantine


@pytest.mark.parametrize(("poison_after", "losses"), [(1, 1), (2, 2), (3, 2), (50, 2)])
def test_a_suspect_runs_alone_in_time_to_be_found(poison_after, losses):
    assert alone_from(poison_after) == losses


def test_an_empty_quarantine_takes_a_group_or_one_alone():
    assert enter(Quarantine()) == Room(GROUP, alone=True, alone_from=2)


def test_no_more_are_taken_than_are_wanted():
    assert enter(Quarantine(), 3).n == 3


def test_a_group_takes_more_until_it_is_full_and_nobody_who_must_be_alone():
    assert enter(holding(1, 1, 1)) == Room(GROUP - 3, alone=False, alone_from=2)
    assert enter(holding(*[1] * GROUP)) is None


def test_who_is_alone_keeps_every_queues_suspects_out():
    quarantine = holding(2, queue="email")
    assert enter(quarantine, queue="ml") is None
    quarantine.let_go(1)
    assert enter(quarantine, queue="ml") is not None


def test_only_one_queue_claims_at_a_time():
    quarantine, woken = Quarantine(), []
    room = enter(quarantine, queue="email")
    assert enter(quarantine, queue="ml", wake=lambda: woken.append("ml")) is None
    quarantine.settle("email", room, [])
    assert woken == ["ml"]
    assert enter(quarantine, queue="ml") is not None


def test_a_claim_that_was_not_answered_makes_room_for_others():
    quarantine, woken = Quarantine(), []
    enter(quarantine, queue="email")
    enter(quarantine, queue="ml", wake=lambda: woken.append("ml"))
    quarantine.failed()
    assert woken == ["ml"]


def test_whoever_waits_is_woken_when_a_suspect_ends_and_not_for_any_other_job():
    quarantine, woken = holding(2), []
    enter(quarantine, wake=lambda: woken.append("email"))
    quarantine.let_go(99)
    assert woken == []
    quarantine.let_go(1)
    assert woken == ["email"]
    quarantine.let_go(1)
    assert woken == ["email"]


def test_a_queue_that_begins_anew_holds_nothing():
    quarantine = holding(2, queue="email")
    quarantine.forget("ml")
    assert enter(quarantine) is None
    quarantine.forget("email")
    assert enter(quarantine, queue="email") is not None
    quarantine.forget("email")  # while it claims
    assert enter(quarantine, queue="ml") is not None


def test_its_repr_is_its_state():
    assert repr(holding(2)) == "<Quarantine held=1 waiting=[]>"


class Fleet:
    """Nodes that run jobs, one of which ends whatever node it runs on, as the claims, the quarantine and the verdicts have it."""

    KILLER = 0

    def __init__(self, rng, *, jobs, nodes, consumers, poison_after):
        self.rng, self.consumers, self.poison_after = rng, consumers, poison_after
        self.ready = {job_id: job(job_id, kind="mail:send", crashes=0) for job_id in range(jobs)}
        self.suspects = set()
        self.done, self.dead, self.losses, self.most = set(), set(), 0, 0
        self.nodes = [self.node() for _ in range(nodes)]

    @staticmethod
    def node():
        return {"held": {}, "quarantine": Quarantine()}

    def run(self):
        while self.ready or any(node["held"] for node in self.nodes):
            self.rng.choice([self.claim, self.claim_suspects, self.end_one])(self.rng.choice(self.nodes))
            for node in self.nodes:
                self.check(node)

    def claim(self, node):
        room = self.consumers - len(node["held"])
        fresh = [job_id for job_id in self.ready if job_id not in self.suspects]
        for job_id in fresh[: self.rng.randint(0, max(room, 0))]:
            node["held"][job_id] = self.ready.pop(job_id)

    def claim_suspects(self, node):
        quarantine = node["quarantine"]
        room = enter(quarantine, self.consumers - len(node["held"]), poison_after=self.poison_after)
        if room is None:
            return
        waiting = [self.ready[job_id] for job_id in self.ready if job_id in self.suspects]
        lone = [each for each in waiting if room.alone and each.crashes >= room.alone_from][:1]
        taken = lone or [each for each in waiting if each.crashes < room.alone_from][: room.n]
        quarantine.settle("email", room, taken)
        for each in taken:
            node["held"][each.id] = self.ready.pop(each.id)

    def end_one(self, node):
        if node["held"]:
            job_id = self.rng.choice(list(node["held"]))
            if job_id == self.KILLER:
                self.lose(node)
            else:
                del node["held"][job_id]
                node["quarantine"].let_go(job_id)
                self.suspects.discard(job_id)
                self.done.add(job_id)

    def lose(self, node):
        self.losses += 1
        there = [
            Suspect(each.id, "email", each.kind, 1, each.lease, each.crashes, 1.0, repeated=each.id in self.suspects)
            for each in node["held"].values()
        ]
        for ack in verdicts(LostNode("n"), there, {"email": self.poison_after}):
            lost = node["held"].pop(ack.job_id)
            if ack.state is State.DEAD:
                self.dead.add(ack.job_id)
            else:
                self.ready[ack.job_id] = replace(lost, crashes=lost.crashes + 1)
                self.suspects.add(ack.job_id)
        node.update(self.node())

    def check(self, node):
        held = [each for each in node["held"].values() if each.id in self.suspects]
        lone = [each for each in held if each.crashes >= alone_from(self.poison_after)]
        assert not lone or len(held) == 1
        assert len(held) <= GROUP


@settings(max_examples=300, deadline=None)
@given(st.integers(), st.integers(1, 120), st.integers(1, 3), st.integers(1, 60), st.integers(1, 6))
def test_l8_a_killer_is_dead_within_one_loss_more_than_poison_after_and_nobody_else_ever_is(seed, jobs, nodes, consumers, poison):
    fleet = Fleet(Random(seed), jobs=jobs, nodes=nodes, consumers=consumers, poison_after=poison)
    fleet.run()
    assert fleet.dead == {Fleet.KILLER}
    assert fleet.losses <= poison + 1
    assert fleet.done == set(range(1, jobs))
