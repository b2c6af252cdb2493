"""What becomes of the jobs of a lost node."""

from dataclasses import replace

import pytest

from tidegate.jobs import Reason, State, Word
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import Accusation, LostNode, Suspect


def suspect(job_id, crashes=0, queue="email"):
    return Suspect(job_id, queue, "mail:send", attempt=1, lease=1, crashes=crashes, age=2.5, repeated=crashes > 0)


def judged(suspects, accusation=None, poison_after=None):
    acks = verdicts(LostNode("n1", accusation), suspects, {"email": 3} if poison_after is None else poison_after)
    assert all((ack.word, ack.charged, ack.duration) == (Word.LEASE_LOST, False, 2.5) for ack in acks)
    return {ack.job_id: ack for ack in acks}


def test_whoever_runs_beside_others_is_tried_again_and_has_been_part_of_a_loss():
    acks = judged([suspect(1), suspect(2)])
    assert [(ack.state, ack.innocent) for ack in acks.values()] == [(State.READY, False)] * 2
    assert acks[1].failure.message == "its node n1 was lost while it held this job"


@pytest.mark.parametrize(("crashes", "state"), [(0, State.READY), (1, State.READY), (2, State.DEAD), (9, State.DEAD)])
def test_the_lone_repeated_suspect_is_poison_at_its_last_loss(crashes, state):
    acks = judged([suspect(1), suspect(2), suspect(3, crashes), suspect(4)])
    assert acks[3].state == state
    assert acks[3].reason == (Reason.POISON if state is State.DEAD else None)
    assert {acks[job_id].state for job_id in (1, 2, 4)} == {State.READY}


def test_crashes_of_its_own_process_make_nobody_a_repeated_suspect():
    own = replace(suspect(1, 5), repeated=False)
    assert judged([own, suspect(2)])[1].state is State.READY
    assert judged([own, suspect(2, 2)])[2].state is State.DEAD


def test_two_repeated_suspects_clear_each_other():
    acks = judged([suspect(1, 5), suspect(2, 5)])
    assert {ack.state for ack in acks.values()} == {State.READY}


def test_who_was_alone_needs_no_earlier_loss():
    assert judged([suspect(1)], poison_after={"email": 1})[1].state is State.DEAD


def test_a_queue_that_is_not_configured_here_has_the_usual_limit():
    assert judged([suspect(1, 1, queue="strange")])[1].state is State.READY
    assert judged([suspect(1, 2, queue="strange")])[1].state is State.DEAD


def test_an_accusation_counts_for_the_accused_alone():
    acks = judged([suspect(1), suspect(2), suspect(3)], Accusation((2,), "job 2 blocked it", "File x.py, line 1"))
    assert {job_id: ack.innocent for job_id, ack in acks.items()} == {1: True, 2: False, 3: True}
    assert {ack.state for ack in acks.values()} == {State.READY}
    assert acks[2].failure.message == "it cost its node n1: job 2 blocked it"
    assert acks[2].failure.traceback == "File x.py, line 1"
    assert acks[1].failure.message == "its node n1 was lost by no fault of this job: job 2 blocked it"


def test_the_accused_is_poison_whoever_else_was_suspected():
    acks = judged([suspect(1, 2), suspect(2, 2), suspect(3, 9)], Accusation((2,), "why"))
    assert {job_id: ack.state for job_id, ack in acks.items()} == {1: State.READY, 2: State.DEAD, 3: State.READY}


def test_an_accused_batch_is_no_single_suspect():
    acks = judged([suspect(1, 2), suspect(2, 2), suspect(3)], Accusation((1, 2), "why"))
    assert {job_id: (ack.state, ack.innocent) for job_id, ack in acks.items()} == {
        1: (State.READY, False),
        2: (State.READY, False),
        3: (State.READY, True),
    }


def test_where_nobody_is_accused_all_are_innocent():
    acks = judged([suspect(1, 2), suspect(2)], Accusation((), "no single job"))
    assert all(ack.innocent and ack.state is State.READY for ack in acks.values())
