import pytest

from tidegate.demo.tally import Crash, Tally
from tidegate.events import ConsumersChanged, JobEnded, JobStarted
from tidegate.jobs import Failure, State, Word


@pytest.fixture
def tally():
    return Tally(["email"], clock=iter(range(100)).__next__)


def ended(job_id, word=Word.DONE, state=State.COMPLETED):
    return JobEnded("email", "shop:send", job_id, 1, word, state, 0.1)


@pytest.mark.parametrize(
    ("word", "state", "what"),
    [
        (Word.DONE, State.COMPLETED, "done"),
        (Word.CANCELLED, State.CANCELLED, "cancelled"),
        (Word.DISCARDED, State.DEAD, "dead"),
        (Word.FAILED, State.DEAD, "dead"),
    ],
)
def test_a_job_is_counted_by_the_state_that_it_ended_in(tally, word, state, what):
    tally.enqueued("email", [1, 2])
    tally.heard(ended(1, word, state))
    assert (getattr(tally.queues["email"], what), tally.queues["email"].open) == (1, 1)


def test_a_crash_is_told_with_its_verdict_and_counts_as_any_attempt(tally):
    tally.enqueued("email", [1])
    failure = Failure("Crashed", "its process was ended by SIGBUS")
    tally.heard(JobEnded("email", "shop:send", 1, 1, Word.CRASHED, State.SCHEDULED, 0.1, failure))
    tally.heard(JobEnded("email", "shop:send", 1, 2, Word.CRASHED, State.DEAD, 0.1, None))
    assert tally.queues["email"].crashes == [
        Crash("send", 1, "its process was ended by SIGBUS", again=True),
        Crash("send", 2, "", again=False),
    ]
    assert (tally.queues["email"].retried, tally.queues["email"].dead) == (1, 1)


def test_only_the_first_crashes_of_many_are_told(tally):
    for n in range(20):
        tally.heard(ended(n, Word.CRASHED, State.SCHEDULED))
    assert len(tally.queues["email"].crashes) == 5


def test_an_attempt_that_is_tried_again_counts_as_retried_and_leaves_the_job_open(tally):
    tally.enqueued("email", [1])
    tally.heard(ended(1, Word.FAILED, State.SCHEDULED))
    assert tally.open == 1
    tally.heard(ended(1))
    assert (tally.queues["email"].retried, tally.queues["email"].done, tally.open) == (1, 1, 0)


@pytest.mark.parametrize(
    ("word", "state"), [(Word.SNOOZED, State.SCHEDULED), (Word.RELEASED, State.READY), (Word.LEASE_LOST, State.READY)]
)
def test_a_job_that_was_given_back_is_not_retried(tally, word, state):
    tally.enqueued("email", [1])
    tally.heard(ended(1, word, state))
    tally.heard(ended(1))
    assert tally.queues["email"].retried == 0


def test_a_job_that_ends_before_its_id_is_known_is_counted_then(tally):
    tally.heard(ended(1))
    tally.enqueued("email", [1])
    assert (tally.queues["email"].done, tally.open) == (1, 0)


def test_jobs_of_others_are_not_counted(tally):
    tally.enqueued("email", [1])
    tally.heard(ended(99))
    assert (tally.queues["email"].done, tally.queues["email"].enqueued) == (0, 1)


def test_waits_are_kept_for_each_queue(tally):
    tally.heard(JobStarted("email", "shop:send", 1, 1, 0.25))
    assert list(tally.queues["email"].waits) == [0.25]


def test_only_changes_of_a_pools_size_are_kept(tally):
    for alive, busy in [(1, 0), (1, 1), (2, 1)]:
        tally.heard(ConsumersChanged("email", alive=alive, busy=busy, starting=0, target=alive))
    assert [size for _, size in tally.queues["email"].pool] == [1, 2]


def test_totals_add_the_queues_up(tally):
    tally.enqueued("email", [1, 2])
    tally.enqueued("ml", [3])
    assert tally.total("enqueued") == 3
