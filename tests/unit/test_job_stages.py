"""The stages of a pipeline in virtual time: what they hold, for how long, and where it goes."""

import asyncio
from random import Random
from types import SimpleNamespace

import pytest
from tests.unit.stages.parts import Owing, Sink, quiet, started, virtual

from tidegate.backoff import constant
from tidegate.handlers import Handlers
from tidegate.jobs import Cancel, Done, Failed, Job, State
from tidegate.pipelines import BatchBy, PartitionBy
from tidegate.runtime.job_stages import BatchStage, PartitionStage, StepStage, attempted
from tidegate.runtime.settlement import Settlement
from tidegate.stages import Cancel as Mode
from tidegate.stages import Subscription

RULES = SimpleNamespace(
    timeout=60.0, kill_after=5.0, max_attempts=2, backoff=constant(1), poison_after=3, max_result=100, max_log=1_000
)


class Table:
    """The session's side: what was given back and reported."""

    def __init__(self):
        self.released = []
        self.acks = []
        self.tell = None

    def release(self, jobs, why):
        self.released += [job.id for job in jobs]

    is_full = False

    def report(self, ack):
        self.acks.append(ack)

    def tell_of_ends(self, tell):
        self.tell = tell


def claimed(number, **more):
    return Job(number, "email", more.pop("kind", "k"), b"{}", 1, None, 0, 1, number, None, None, 0.0, **more)


def jobs(*numbers):
    return [claimed(number) for number in numbers]


def ids(events):
    return [event.id if isinstance(event, Job) else [job.id for job in event] for event in events]


async def wired(make, *, ask=3):
    table, producer = Table(), await Owing(buffer_size=0).start()
    parts = {"session": table, "settlement": Settlement(RULES, Handlers([]), Random(0)), "timeout": RULES.timeout}
    stage, sink = await make(producer, **parts).start(), await started(Sink())
    sub = await sink.subscribe(Subscription(stage, manual=True, cancel=Mode.TEMPORARY))
    sink.ask(sub, ask)
    await quiet()
    return table, producer, stage, sink, sub


def steps(judge, **options):
    options = {"at_once": 10, "in_order": False, **options}
    return lambda producer, **parts: StepStage("email.1-enrich", producer, judge, **options, **parts)


async def slower(job):
    await asyncio.sleep(job.id)
    return job


@virtual
async def test_a_job_goes_on_when_it_is_judged_and_no_slow_one_holds_it_up():
    _, producer, stage, sink, _ = await wired(steps(slower))
    producer.pay(jobs(5, 1, 3))
    await asyncio.sleep(3.5)
    assert ids(sink.events) == [1, 3]
    assert repr(stage) == "<StepStage email.1-enrich demand=1 held=1>"
    assert {key: stage.describe()[key] for key in ("name", "held", "demand")} == {"name": "email.1-enrich", "held": 1, "demand": 1}


@virtual
async def test_in_order_a_slow_one_holds_up_those_behind_it():
    _, producer, _, sink, _ = await wired(steps(slower, in_order=True))
    producer.pay(jobs(5, 1, 3))
    await asyncio.sleep(4)
    assert sink.events == []
    await asyncio.sleep(2)
    assert ids(sink.events) == [5, 1, 3]


@virtual
async def test_no_more_are_judged_at_once_than_may_be():
    _, producer, _, sink, _ = await wired(steps(slower, at_once=1))
    producer.pay(jobs(1, 2, 3))
    await asyncio.sleep(3.5)
    assert ids(sink.events) == [1, 2]


@virtual
async def test_a_job_that_comes_to_its_outcome_here_is_reported_and_another_one_asked_for():
    async def cancels(job):
        return Cancel("no")

    table, producer, _, sink, _ = await wired(steps(cancels))
    producer.pay(jobs(1, 2))
    await quiet()
    assert [(ack.job_id, ack.state, ack.failure.message, ack.charged) for ack in table.acks] == [
        (1, State.CANCELLED, "no", False),
        (2, State.CANCELLED, "no", False),
    ]
    assert (sink.events, producer.owed) == ([], 3)


@virtual
async def test_a_judgement_that_was_cancelled_by_a_stranger_fails_the_attempt():
    table, producer, stage, _, _ = await wired(steps(slower))
    producer.pay(jobs(5))
    await quiet()
    next(iter(stage._judging)).cancel()
    await quiet()
    assert [(ack.job_id, ack.word) for ack in table.acks] == [(1 * 5, "failed")]


@pytest.mark.parametrize("end", ["stop", "kill", "crash", "consumer leaves", "retract"])
@virtual
async def test_what_is_being_judged_goes_back(end):
    table, producer, stage, sink, sub = await wired(steps(slower))
    producer.pay(jobs(5, 9))
    await quiet()
    match end:
        case "stop":
            await stage.stop()
        case "kill":
            stage.kill()
        case "crash":
            stage._post(stage._fail, None, RuntimeError("told to"))
        case "consumer leaves":
            await sink.stop()
        case "retract":
            await sink.retract(sub, 3)
    await asyncio.sleep(20)
    assert (table.released, sink.events, stage.held) == ([5, 9], [], 0)
    assert producer.owed == 0 or end in ("stop", "kill", "crash")


def batches(size=3, timeout=2.0, key=lambda job: job.id % 2):
    return lambda producer, **parts: BatchStage("email.1-batchby", producer, BatchBy("k", size, timeout), key, **parts)


@virtual
async def test_a_batch_is_of_one_kind_and_key_and_one_event():
    _, producer, stage, sink, _ = await wired(batches())
    assert producer.owed == 9
    producer.pay([*jobs(1, 2, 3), claimed(7, kind="other"), *jobs(5)])
    await quiet()
    assert ids(sink.events) == [[1, 3, 5]]
    assert (stage.held, stage.describe()["held"]) == (2, 2)
    await asyncio.sleep(2.5)
    assert sorted(ids(sink.events)) == [[1, 3, 5], [2], [7]]
    assert producer.owed == 0


@virtual
async def test_where_no_more_may_come_the_oldest_batch_goes():
    _, producer, stage, sink, _ = await wired(batches(key=lambda job: job.id), ask=1)
    producer.pay(jobs(1, 2, 3))
    await quiet()
    assert (ids(sink.events), stage.held, producer.owed) == ([[1]], 2, 0)


@virtual
async def test_a_batch_whose_time_is_over_and_that_nobody_waits_for_goes_back():
    table, producer, stage, sink, sub = await wired(batches(key=lambda job: job.id), ask=1)
    producer.pay(jobs(1, 2, 3))
    await asyncio.sleep(2.5)
    assert (table.released, stage.held) == ([2, 3], 0)
    sink.ask(sub, 1)
    await quiet()
    assert producer.owed == 3


@virtual
async def test_a_batch_that_nobody_takes_gives_back_its_jobs():
    table, producer, stage, sink, _ = await wired(batches(size=2), ask=1)
    sink.gate.clear()
    producer.pay(jobs(1, 3))
    await quiet()
    sink.kill()
    await quiet()
    assert table.released == [1, 3]
    await stage.stop()


@pytest.mark.parametrize("end", ["stop", "kill", "consumer leaves"])
@virtual
async def test_what_is_gathered_goes_back(end):
    table, producer, stage, sink, _ = await wired(batches())
    producer.pay(jobs(1, 2))
    await quiet()
    match end:
        case "stop":
            await stage.stop()
        case "kill":
            stage.kill()
        case "consumer leaves":
            sink.kill()
    await asyncio.sleep(5)
    assert (sorted(table.released), sink.events, stage.held) == ([1, 2], [], 0)


@pytest.mark.parametrize("make", [batches(key=lambda job: 1 / 0), "lanes"], ids=["batch", "lanes"])
@virtual
async def test_a_key_that_raises_fails_its_job(make):
    make = lanes(key=lambda job: 1 / 0) if make == "lanes" else make
    table, producer, stage, sink, _ = await wired(make)
    producer.pay(jobs(1))
    await quiet()
    assert [(ack.job_id, ack.word, ack.failure.type) for ack in table.acks] == [(1, "failed", "ZeroDivisionError")]
    assert (stage.held, sink.events) == (0, [])


def lanes(ahead=3, key=lambda job: job.id % 2):
    return lambda producer, **parts: PartitionStage("email.1-partitionby", producer, PartitionBy("k", ahead), key, **parts)


@virtual
async def test_one_of_a_key_goes_and_the_next_when_its_ack_is_in_the_table():
    table, producer, stage, sink, _ = await wired(lanes(), ask=9)
    producer.pay(jobs(1, 3, 2))
    await quiet()
    assert (ids(sink.events), stage.held) == ([1, 2], 1)
    table.tell(claimed(1))
    await quiet()
    assert (ids(sink.events), stage.held) == ([1, 2, 3], 0)


@virtual
async def test_more_is_asked_for_behind_busy_keys_but_not_without_end():
    table, producer, stage, sink, _ = await wired(lanes(ahead=3), ask=2)
    producer.pay(jobs(1, 3))
    await quiet()
    assert producer.owed == 1
    producer.pay(jobs(5))
    await quiet()
    assert producer.owed == 1
    producer.pay(jobs(7))
    await quiet()
    assert (producer.owed, stage.held) == (0, 3)
    table.tell(claimed(1))
    await quiet()
    assert (ids(sink.events), producer.owed) == ([1, 3], 0)


@virtual
async def test_a_job_that_became_free_waits_for_a_consumer_and_the_end_of_a_stranger_means_nothing():
    table, producer, stage, sink, sub = await wired(lanes(), ask=2)
    producer.pay(jobs(1, 3))
    await quiet()
    producer.pay(jobs(2))
    await quiet()
    table.tell(claimed(1))
    table.tell(claimed(77))
    await quiet()
    assert (ids(sink.events), stage.held) == ([1, 2], 1)
    sink.ask(sub, 1)
    await quiet()
    assert (ids(sink.events), producer.owed) == ([1, 2, 3], 0)


@virtual
async def test_what_waits_for_its_key_goes_back_when_nobody_waits_for_it():
    table, producer, stage, sink, _ = await wired(lanes(), ask=2)
    producer.pay(jobs(1, 3))
    await quiet()
    producer.pay(jobs(5))
    await quiet()
    table.tell(claimed(1))
    await quiet()
    assert stage.held == 1
    await sink.stop()
    await quiet()
    assert (sorted(table.released), stage.held) == ([5], 0)


@virtual
async def test_what_is_free_and_not_taken_goes_back_and_frees_its_key():
    table, producer, stage, sink, sub = await wired(lanes(), ask=2)
    producer.pay(jobs(1, 3))
    await quiet()
    producer.pay(jobs(2))
    await quiet()
    table.tell(claimed(1))
    await quiet()
    await sink.stop()
    await quiet()
    assert table.released == [3]
    other = await started(Sink())
    sub = await other.subscribe(Subscription(stage, manual=True, cancel=Mode.TEMPORARY))
    other.ask(sub, 1)
    await quiet()
    producer.pay(jobs(5))
    await quiet()
    assert ids(other.events) == [5]


def raises(error):
    raise error


@virtual
async def test_what_a_function_says_comes_back_and_what_it_raises_is_an_outcome():
    async def waits(value):
        await asyncio.sleep(value)
        return value

    async def raises_a_timeout():
        raise TimeoutError("of its own")

    assert await attempted(lambda value: value, 5, timeout=1) == 5
    assert await attempted(waits, 0.5, timeout=1) == 0.5
    assert repr(await attempted(waits, 5, timeout=1)) == "TimedOut(after=1, stack='')"
    assert "of its own" in repr(await attempted(raises_a_timeout, timeout=1))
    for error in (ValueError("v"), SystemExit(3), KeyboardInterrupt("k"), GeneratorExit("g")):
        said = await attempted(raises, error, timeout=1)
        assert (type(said), said.error) == (Failed, error)

    def says():
        raise Cancel("no")

    assert isinstance(await attempted(says, timeout=1), Cancel)
    assert (await attempted(lambda: Done(3), timeout=1)).result == 3
