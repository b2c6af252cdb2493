"""How delivered jobs are cut into calls, and how their rules are found."""

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace

import pytest

from tidegate.backoff import constant
from tidegate.errors import UnknownKind
from tidegate.handlers import job
from tidegate.handlers.handler import handler_of
from tidegate.jobs import Crashed, Done, Failed, Failure, Job, Reason, State
from tidegate.runtime.settlement import Settlement

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RULES = SimpleNamespace(
    timeout=60.0, kill_after=5.0, max_attempts=3, backoff=constant(1), poison_after=2, max_result=10, max_log=1_000
)


@dataclass(frozen=True)
class Item:
    n: int


@job(kind="a")
def one(n: int) -> str:
    return str(n)


@job(kind="b", batch=3, timeout=7)
def three(jobs: list[Job[Item]]) -> None: ...


@job(kind="c", batch=2)
def two(jobs: list[Job[Item]]) -> None: ...


class Known:
    def resolve(self, kind):
        found = [handler_of(each) for each in (one, two, three) if each.kind == kind]
        if not found:
            raise UnknownKind(kind, ())
        return found[0]


@pytest.fixture
def settlement():
    return Settlement(RULES, Known(), Random(0))


def jobs(words):
    """Return jobs of kinds by letter; a capital has been in a crash."""
    return [
        Job(n, "q", word.lower(), b"{}", 1, None, 0, 1, n, MOMENT, MOMENT, 0.0, crashes=int(word.isupper()))
        for n, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("delivered", "calls"),
    [
        ("", []),
        ("aaa", ["a", "a", "a"]),
        ("bbbb", ["bbb", "b"]),
        ("bbcca", ["bb", "cc", "a"]),
        ("bab", ["b", "a", "b"]),
        ("bBb", ["b", "b", "b"]),
        ("Bbb", ["b", "bb"]),
        ("BB", ["b", "b"]),
    ],
)
def test_a_call_has_one_job_or_a_batch_of_one_kind_and_whoever_was_in_a_crash_runs_alone(settlement, delivered, calls):
    cut = settlement.batches(jobs(delivered))
    assert ["".join(job.kind for job in call) for call in cut] == calls
    assert [job.id for call in cut for job in call] == list(range(len(delivered)))


def test_a_kind_that_left_the_code_is_never_batched_and_has_the_queues_rules(settlement):
    gone = [Job(n, "q", "gone", b"{}", 3, None, 0, 1, n, MOMENT, MOMENT, 0.0) for n in range(2)]
    assert [len(call) for call in settlement.batches(gone)] == [1, 1]
    assert settlement.ack(gone[0], Failed("x"), ended=1.0).reason is Reason.ATTEMPTS_EXHAUSTED


def test_the_time_of_a_call_is_the_handlers_or_the_queues(settlement):
    [a], [b] = jobs("a"), jobs("b")
    assert settlement.call(Known().resolve("a"), [a], 1.0).timeout == 60.0
    assert (
        settlement.call(Known().resolve("b"), [b], 1.0).timeout,
        settlement.call(Known().resolve("b"), [b], 1.0).kill_after,
    ) == (7.0, 5.0)


def test_a_result_is_encoded_and_one_too_large_is_a_failure(settlement):
    [job], handler = jobs("a"), Known().resolve("a")
    assert settlement.ack(job, Done("5"), ended=1.0, handler=handler).result == b'"5"'
    assert settlement.ack(job, Done("x" * 11), ended=1.0, handler=handler).state is State.SCHEDULED


def test_poison_is_the_queues_rule(settlement):
    [job] = jobs("A")
    assert settlement.ack(job, Crashed(Failure("Crashed", "x")), ended=1.0, duration=0.5).reason is Reason.POISON
