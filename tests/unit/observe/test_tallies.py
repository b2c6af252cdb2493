from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from tidegate.jobs import Word
from tidegate.observe.catalogue import JOB_WAIT
from tidegate.observe.families import histogram
from tidegate.observe.labels import Queues
from tidegate.observe.tallies import Distribution, KindTally, QueueTallies


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 1.0), (1.0, 1.0), (1.5, 2.0), (2.0, 2.0), (7.0, inf)])
def test_a_value_falls_into_the_first_bucket_that_it_does_not_exceed(value, bucket):
    distribution = Distribution((1.0, 2.0))
    distribution.observe(value)
    assert next(bound for bound, seen, _ in distribution.cumulative() if seen) == bucket


def test_the_last_value_of_a_bucket_that_is_in_a_trace_is_kept():
    distribution = Distribution((1.0, 2.0))
    for value, trace_id in ((0.5, "a"), (0.7, "b"), (0.6, None), (1.5, None), (9.0, "c")):
        distribution.observe(value, trace_id)
    assert list(distribution.cumulative()) == [(1.0, 3, (0.7, "b")), (2.0, 4, None), (inf, 5, (9.0, "c"))]


@given(st.lists(st.floats(min_value=0, max_value=10_000)))
def test_a_distribution_is_what_the_client_library_would_have_counted(values):
    ours = Distribution(JOB_WAIT.buckets)
    registry = CollectorRegistry()
    theirs = Histogram(JOB_WAIT.name, JOB_WAIT.help, JOB_WAIT.labels, registry=registry, buckets=JOB_WAIT.buckets).labels("email")
    for value in values:
        ours.observe(value)
        theirs.observe(value)
    [reference] = registry.collect()
    wanted = {
        (sample.name, *sample.labels.items()): sample.value for sample in reference.samples if not sample.name.endswith("_created")
    }
    shown = histogram(JOB_WAIT, {("email",): ours})
    assert {(sample.name, *sample.labels.items()): pytest.approx(sample.value) for sample in shown.samples} == wanted


def test_the_usual_outcomes_are_zero_before_they_happen():
    assert KindTally().outcomes == {Word.DONE: 0, Word.FAILED: 0}


def test_a_job_that_never_started_has_an_outcome_and_no_time():
    tally = KindTally()
    tally.ended(Word.RELEASED, None)
    assert (tally.outcomes[Word.RELEASED], sum(tally.run.counts)) == (1, 0)


def test_a_queue_of_another_node_gets_a_tally_when_it_is_asked_for():
    tallies = QueueTallies(["email"], Queues(["email"]))
    tallies["foreign"].rescued += 3
    assert {queue: tally.rescued for queue, tally in tallies.items()} == {"email": 0, "foreign": 3}
