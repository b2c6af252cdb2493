"""Metrics as a scrape sees them, from real events on a real bus."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import DuplicateTimeseries
from tests.unit.observe.stage import Queue, Session, Stage, samples

from tidegate import __version__
from tidegate.circuit import CircuitPlan, CircuitSpec
from tidegate.events import (
    Acked,
    CircuitChanged,
    CircuitOutcomes,
    CircuitsUnread,
    Claimed,
    ConsumersChanged,
    DatabaseFailed,
    DeadLettered,
    Enqueued,
    ErrorAppeared,
    ErrorRegressed,
    Events,
    JobEnded,
    JobRejected,
    JobsRescued,
    JobStarted,
    LoopBlocked,
    NodeLost,
    PoolResized,
    Restarted,
    RunAbandoned,
)
from tidegate.jobs import Reason, State, Word
from tidegate.observe.catalogue import CATALOGUE, Exists
from tidegate.observe.labels import KINDS, OTHER
from tidegate.observe.metrics import EnqueueMetrics, Metrics
from tidegate.runtime.consumer_pool import PoolSize
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.maintenance import Snapshot
from tidegate.store.gated import Gated
from tidegate.store.health import DeadGroup, Health, RedriveHealth, TableHealth
from tidegate.store.protocol import QueueCounts
from tidegate.testing import run_virtual
from tidegate.testing.memory import MemoryDatabase, MemoryStore


def scraped(stage, name, *events, metrics=None):
    """Return the samples of `name` after `events`."""
    metrics = metrics or Metrics(stage)
    for event in events:
        stage.events.emit(event)

    async def scrape():
        return samples(metrics.registry, name)

    return run_virtual(scrape())


def ended(word, *, kind="mail:send", seconds=0.1, state=State.COMPLETED):
    return JobEnded("email", kind, 1, 1, word, state, seconds)


def counts(queue, *, scheduled=0, ready=0, running=0, age=None, paused=False):
    return QueueCounts(queue, scheduled, ready, running, age, paused)


# From events.


def test_finished_jobs_are_counted_by_outcome():
    found = scraped(Stage(), "tidegate_jobs_finished_total", ended(Word.DONE), ended(Word.DONE), ended(Word.TIMED_OUT))
    assert found == {
        ("mail:send", "done", "email"): 2,
        ("mail:send", "failed", "email"): 0,
        ("mail:send", "timed_out", "email"): 1,
    }


@pytest.mark.parametrize("word", [word for word in Word if word is not Word.LEASE_LOST])
def test_the_label_of_an_outcome_is_the_attempts_word(word):
    assert scraped(Stage(), "tidegate_jobs_finished_total", ended(word))["mail:send", word.value, "email"] == 1


def test_waiting_is_observed_when_a_job_starts():
    assert scraped(Stage(), "tidegate_job_wait_seconds_sum", JobStarted("email", "mail:send", 1, 1, 2.5)) == {("email",): 2.5}


def test_running_is_observed_when_a_job_ended():
    assert scraped(Stage(), "tidegate_job_run_seconds_sum", ended(Word.FAILED, seconds=1.5)) == {("mail:send", "email"): 1.5}


def test_a_claim_is_observed_with_its_time_and_its_jobs():
    stage = Stage()
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_claim_seconds_sum", Claimed("email", 7, 0.25), metrics=metrics) == {("email",): 0.25}
    assert scraped(stage, "tidegate_claim_batch_jobs_sum", metrics=metrics) == {("email",): 7}


def test_a_claim_that_found_nothing_has_a_bucket_of_its_own():
    found = scraped(Stage(), "tidegate_claim_batch_jobs_bucket", Claimed("email", 0, 0.1), Claimed("email", 1, 0.1))
    assert (found["0.0", "email"], found["1.0", "email"]) == (1, 2)


def test_acks_are_observed():
    assert scraped(Stage(), "tidegate_ack_seconds_count", Acked("email", 10, 0.1)) == {("email",): 1}


def test_refused_acks_are_lost_leases():
    assert scraped(Stage(), "tidegate_leases_lost_total", JobRejected("email", "mail:send", 1)) == {("email",): 1}


def test_rescued_jobs_are_counted_on_whatever_queue_they_were():
    found = scraped(Stage(), "tidegate_jobs_rescued_total", JobsRescued("email", 2), JobsRescued("foreign", 3))
    assert found == {("email",): 2, ("foreign",): 3}


def test_dead_letters_are_counted_by_reason():
    found = scraped(Stage(), "tidegate_dead_letters_total", DeadLettered("email", "mail:send", 1, "poison"))
    assert found == {("mail:send", "email", "poison"): 1}


def test_a_kind_that_was_seen_shows_that_none_of_its_jobs_died():
    found = scraped(Stage(), "tidegate_dead_letters_total", ended(Word.DONE))
    assert found == {("mail:send", "email", reason.value): 0 for reason in Reason}


def test_restarts_are_counted_by_child():
    found = scraped(
        Stage(), "tidegate_supervisor_restarts_total", Restarted("email.pool.consumer-1"), Restarted("email.pool.consumer-2")
    )
    assert found == {("email.pool.consumer",): 2}


def test_database_errors_are_counted_by_operation():
    found = scraped(
        Stage(), "tidegate_database_errors_total", DatabaseFailed("session", "no route"), DatabaseFailed("leader", "away")
    )
    assert found == {("session",): 1, ("leader",): 1}


def test_an_event_that_is_no_metric_changes_nothing():
    stage = Stage()
    metrics = Metrics(stage)
    before = scraped(stage, "tidegate_consumers", metrics=metrics)
    assert scraped(stage, "tidegate_consumers", ConsumersChanged("email", 9, 9, 9, 9), metrics=metrics) == before


@pytest.mark.parametrize(
    "metric",
    [metric for metric in CATALOGUE if metric.exists is Exists.NODE and metric.type != "gauge" and metric.labels == ("queue",)],
    ids=lambda metric: metric.name,
)
def test_counts_of_a_queue_are_zero_before_anything_happened(metric):
    name = metric.name + ("_count" if metric.type == "histogram" else "")
    assert scraped(Stage("email", "ml"), name) == {("email",): 0, ("ml",): 0}


def test_kinds_beyond_the_limit_are_counted_together():
    kinds = tuple(f"kind:{number}" for number in range(KINDS + 50))
    events = [ended(Word.DONE, kind=kind) for kind in kinds]
    found = scraped(Stage(kinds=kinds), "tidegate_jobs_finished_total", *events)
    assert found[OTHER, "done", "email"] == 50
    assert sum(value for labels, value in found.items() if labels[1] == "done") == KINDS + 50


def test_how_many_kinds_have_series_of_their_own_is_a_setting():
    kinds = ("a:a", "b:b", "c:c")
    stage = Stage(kinds=kinds, limit=2)
    metrics = Metrics(stage)
    events = [ended(Word.DONE, kind=kind) for kind in kinds] + [Enqueued("email", kind) for kind in kinds]
    found = scraped(stage, "tidegate_jobs_finished_total", *events, metrics=metrics)
    assert {labels[0] for labels in found} == {"a:a", "b:b", OTHER}
    found = scraped(stage, "tidegate_jobs_enqueued_total", metrics=metrics)
    assert found == {("a:a", "email"): 1, ("b:b", "email"): 1, (OTHER, "email"): 1}


def test_nodes_that_this_one_found_lost_are_counted():
    stage = Stage()
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_nodes_lost_total", metrics=metrics) == {(): 0}
    assert scraped(stage, "tidegate_nodes_lost_total", NodeLost("a"), NodeLost("b"), metrics=metrics) == {(): 2}


def test_new_and_regressed_errors_are_counted_on_each_of_their_queues():
    stage = Stage("email", "ml")
    metrics = Metrics(stage)
    stage.events.emit(ErrorAppeared("f1", "OSError", "x", ("mail:send",), ("email", "ml")))
    stage.events.emit(ErrorRegressed("f1", "OSError", "x", ("mail:send",), ("email",)))
    assert scraped(stage, "tidegate_errors_new_total", metrics=metrics) == {("email",): 1, ("ml",): 1}
    assert scraped(stage, "tidegate_errors_regressed_total", metrics=metrics) == {("email",): 1, ("ml",): 0}


def test_values_in_a_trace_are_shown_with_it_to_those_who_ask_for_openmetrics():
    async def texts():
        stage = Stage()
        metrics = Metrics(stage)
        stage.events.emit(JobStarted("email", "mail:send", 1, 1, 0.02, "a" * 32))
        stage.events.emit(JobEnded("email", "mail:send", 1, 1, Word.DONE, State.COMPLETED, 0.3, None, "b" * 32))
        stage.events.emit(DeadLettered("email", "mail:send", 1, "poison", 1, None, "c" * 32))
        return openmetrics(metrics.registry).decode(), generate_latest(metrics.registry).decode()

    open_text, plain = run_virtual(texts())
    exemplars = {
        (sample.name, sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for family in parse_openmetrics(open_text)
        for sample in family.samples
        if sample.exemplar
    }
    assert exemplars == {
        ("tidegate_job_wait_seconds_bucket", "a" * 32, 0.02),
        ("tidegate_job_run_seconds_bucket", "b" * 32, 0.3),
        ("tidegate_dead_letters_total", "c" * 32, 1.0),
    }
    assert "trace_id" not in plain


# From the node.


def test_consumers_are_read_from_the_pool():
    stage = Stage()
    stage.managers["email"] = Queue(PoolSize(alive=3, busy=2, target=5))
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_consumers", metrics=metrics) == {
        ("email", "busy"): 2,
        ("email", "idle"): 1,
        ("email", "starting"): 2,
    }
    assert scraped(stage, "tidegate_consumers_target", metrics=metrics) == {("email",): 5}


def test_a_pool_whose_node_drains_starts_nothing():
    stage = Stage()
    stage.draining = True
    stage.managers["email"] = Queue(PoolSize(alive=1, busy=1, target=5))
    assert scraped(stage, "tidegate_consumers")["email", "starting"] == 0


def test_a_pool_above_its_target_starts_nothing():
    stage = Stage()
    stage.managers["email"] = Queue(PoolSize(alive=3, busy=3, target=1))
    assert scraped(stage, "tidegate_consumers")["email", "starting"] == 0


def test_demand_is_what_the_session_owes():
    stage = Stage()
    stage.managers["email"] = Queue(inner=Session(owed=4))
    assert scraped(stage, "tidegate_demand") == {("email",): 4}


def test_a_broken_queue_is_shown_and_has_no_consumers():
    stage = Stage("email", "ml")
    del stage.managers["ml"]
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_queue_broken", metrics=metrics) == {("email",): 0, ("ml",): 1}
    assert scraped(stage, "tidegate_consumers", metrics=metrics)["ml", "idle"] == 0


def test_a_queue_in_the_middle_of_a_restart_can_be_scraped():
    stage = Stage()
    stage.managers["email"] = Queue(PoolSize(3, 3, 3), restarting=True)
    assert scraped(stage, "tidegate_consumers")["email", "busy"] == 0


def test_the_lease_and_the_version_are_shown():
    stage = Stage()
    stage.left = 12.5
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_lease_remaining_seconds", metrics=metrics) == {(): 12.5}
    assert scraped(stage, "tidegate_build_info", metrics=metrics) == {(__version__,): 1}


# From the leader's snapshot.


@pytest.mark.parametrize(
    "metric", [metric for metric in CATALOGUE if metric.exists is Exists.LEADER], ids=lambda metric: metric.name
)
def test_a_node_that_does_not_lead_says_nothing_about_the_fleet(metric):
    async def text():
        return generate_latest(Metrics(Stage()).registry).decode()

    assert metric.name not in run_virtual(text())


def test_leading_is_shown_either_way():
    stage = Stage()
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_leader", metrics=metrics) == {(): 0}
    stage.leading = True
    assert scraped(stage, "tidegate_leader", metrics=metrics) == {(): 1}


HEALTH = Health(
    (TableHealth("jobs", 7, 100, 8192),),
    {"email": 3, "stray": 1},
    [DeadGroup("f1", "mail:send", "OSError", 3)],
    (),
    12.5,
    400,
    9,
    100,
)


def leading(*queues, declared=("email",), at=0.0, health=HEALTH):
    stage = Stage(declared=declared)
    stage.leading, stage.snapshot = True, Snapshot(at, queues, health)
    return stage


def test_redrives_are_shown_by_where_they_stand_with_zeros_for_the_rest():
    health = replace(HEALTH, redrives=(RedriveHealth("interrupted", 2, 4_000),))
    stage = leading(health=health)
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_redrives", metrics=metrics) == {("running",): 0, ("interrupted",): 2, ("stopped",): 0}
    left = scraped(stage, "tidegate_redrive_letters_left", metrics=metrics)
    assert left == {("running",): 0, ("interrupted",): 4_000, ("stopped",): 0}


def test_the_leader_shows_the_fleets_depths():
    found = scraped(leading(counts("email", scheduled=1, ready=2, running=3)), "tidegate_queue_jobs")
    assert found == {("email", "scheduled"): 1, ("email", "ready"): 2, ("email", "running"): 3}


def test_a_declared_queue_without_jobs_is_shown_as_zero():
    found = scraped(leading(declared=("email", "ml")), "tidegate_queue_jobs")
    assert found == {(queue, state): 0 for queue in ("email", "ml") for state in ("scheduled", "ready", "running")}


def test_a_queue_that_nobody_declared_is_shown_when_it_has_jobs():
    assert scraped(leading(counts("stray", ready=1)), "tidegate_queue_jobs")["stray", "ready"] == 1


def test_the_oldest_ready_age_is_zero_where_nothing_is_ready():
    stage = leading(counts("email"), counts("ml", age=7.5), declared=("email", "ml"))
    assert scraped(stage, "tidegate_queue_oldest_ready_age_seconds") == {("email",): 0, ("ml",): 7.5}


def test_a_paused_queue_is_shown():
    stage = leading(counts("email", paused=True), declared=("email", "ml"))
    assert scraped(stage, "tidegate_queue_paused") == {("email",): 1, ("ml",): 0}


def test_the_snapshots_age_grows_with_the_loops_time():
    async def age():
        stage = leading(at=asyncio.get_running_loop().time())
        await asyncio.sleep(5)
        return samples(Metrics(stage).registry, "tidegate_snapshot_age_seconds")

    assert run_virtual(age()) == {(): pytest.approx(5)}


def test_the_leader_shows_how_the_database_is():
    stage = leading(declared=("email", "ml"))
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_dead_letters_open", metrics=metrics) == {("email",): 3, ("ml",): 0, ("stray",): 1}
    assert scraped(stage, "tidegate_dead_letter_group_jobs", metrics=metrics) == {("OSError", "f1", "mail:send"): 3}
    assert scraped(stage, "tidegate_table_dead_tuples", metrics=metrics) == {("jobs",): 7}
    assert scraped(stage, "tidegate_table_live_tuples", metrics=metrics) == {("jobs",): 100}
    assert scraped(stage, "tidegate_table_size_bytes", metrics=metrics) == {("jobs",): 8192}
    assert scraped(stage, "tidegate_database_oldest_transaction_age_seconds", metrics=metrics) == {(): 12.5}
    assert scraped(stage, "tidegate_database_oldest_snapshot_age_transactions", metrics=metrics) == {(): 400}
    assert scraped(stage, "tidegate_database_connections", metrics=metrics) == {(): 9}
    assert scraped(stage, "tidegate_database_connections_limit", metrics=metrics) == {(): 100}


def test_until_the_database_was_looked_at_nothing_is_said_of_it():
    assert scraped(leading(health=None), "tidegate_database_connections") == {}


# As a whole.


async def full():
    """Return metrics in which everything happened, on a leader."""
    stage = leading(counts("email", ready=1))
    stage.circuits = KnownCircuits(CircuitPlan([CircuitSpec("smtp")]))
    metrics = Metrics(stage)
    for event in (
        JobStarted("email", 'ma"il:\\se\nnd', 1, 1, 0.1),
        ended(Word.DONE, kind='ma"il:\\se\nnd'),
        Claimed("email", 1, 0.1),
        Acked("email", 1, 0.1),
        JobRejected("email", "k", 1),
        DeadLettered("email", "k", 1, "poison"),
        JobsRescued("email", 1),
        PoolResized("email", 1, 2, 1.7, "deadline"),
        Restarted("email"),
        DatabaseFailed("session", "away"),
        LoopBlocked("email", "k", 1, 2.0),
        RunAbandoned("email", "k", 1, 2.0),
    ):
        stage.events.emit(event)
    stage.events.emit(Enqueued("email", "k"))
    stage.lag.measured(1.0, 0.1)
    return metrics.registry


def test_every_metric_of_the_catalogue_can_be_scraped_in_both_formats():
    async def texts():
        registry = await full()
        return generate_latest(registry).decode(), openmetrics(registry).decode()

    plain, open_text = run_virtual(texts())
    for families in (parse(plain), parse_openmetrics(open_text)):
        shown = {sample.name.removesuffix("_bucket") for family in families for sample in family.samples}
        assert {metric.name for metric in CATALOGUE} - shown == set()


def test_labels_and_help_are_the_catalogues():
    async def families():
        return {family.name: family for family in (await full()).collect()}

    found = run_virtual(families())
    for metric in CATALOGUE:
        family = found[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.type, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_two_metrics_in_one_registry_are_noticed():
    metrics = Metrics(Stage())
    with pytest.raises(DuplicateTimeseries):
        metrics.registry.register(Metrics(Stage()))


# Enqueued jobs.


def test_a_client_counts_what_it_enqueues():
    registry, events = CollectorRegistry(), Events()
    events.subscribe(EnqueueMetrics(registry))
    for kind in ("mail:send", "mail:send", "mail:read"):
        events.emit(Enqueued("email", kind))
    assert samples(registry, "tidegate_jobs_enqueued_total") == {("mail:send", "email"): 2, ("mail:read", "email"): 1}


def test_a_clients_counter_ignores_other_events():
    registry, events = CollectorRegistry(), Events()
    events.subscribe(EnqueueMetrics(registry))
    events.emit(Restarted("x"))
    assert samples(registry, "tidegate_jobs_enqueued_total") == {}


def test_what_is_enqueued_on_the_nodes_bus_is_counted_in_its_registry():
    assert scraped(Stage(), "tidegate_jobs_enqueued_total", Enqueued("email", "mail:send")) == {("mail:send", "email"): 1}


def test_decisions_about_a_pool_are_counted_by_reason():
    events = [
        PoolResized("email", 1, 2, 1.7, "deadline"),
        PoolResized("email", 2, 3, 2.2, "deadline"),
        PoolResized("email", 3, 1, 0.1, "hold"),
    ]
    found = scraped(Stage(), "tidegate_autoscaler_decisions_total", *events)
    assert found == {("email", "deadline"): 2, ("email", "hold"): 1}


# What others may write into the tables.


HOSTILE = ('a"b', "a\\", "a\nb", "\ud800", "\x00", "\u202e", 'a"} 1\nevil 2', "\r", "\u2028", "", "k" * 1_000_000)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_whatever_a_name_is_a_scrape_can_be_read(name):
    stage = Stage()
    metrics = Metrics(stage)
    stage.snapshot = Snapshot(
        0.0,
        (counts(name, ready=1),),
        Health((), {name: 3}, (DeadGroup("f00", name, name, 3),), (), 0.0, 0, 1, 100),
    )
    for event in (ended(Word.DONE, kind=name), DeadLettered(name, name, 1, "invalid"), JobsRescued(name, 1), Restarted(name)):
        stage.events.emit(event)
    metrics.enqueued(Enqueued(name, name))

    async def scrape():
        return generate_latest(metrics.registry).decode(), openmetrics(metrics.registry).decode()

    text, open_text = run_virtual(scrape())
    assert len(text) < 200_000
    assert {family.name for family in parse(text)} >= {family.name for family in parse_openmetrics(open_text)}
    assert not any(line.startswith("evil") for line in text.splitlines())


def test_queues_that_nobody_declared_cannot_grow_a_scrape_without_end():
    names = [f"q{number}" for number in range(10_000)]
    stage = Stage()
    stage.snapshot = Snapshot(0.0, tuple(counts(name, ready=1, age=2.0) for name in names), None)
    metrics = Metrics(stage)
    for name in names:
        for event in (JobsRescued(name, 1), DeadLettered(name, "k", 1, "invalid"), ErrorAppeared("f", "E", "", ("k",), (name,))):
            stage.events.emit(event)
        metrics.enqueued(Enqueued(name, "k"))

    async def scrape():
        return generate_latest(metrics.registry)

    assert run_virtual(scrape()).count(b"\n") < 3_000
    rescued = scraped(stage, "tidegate_jobs_rescued_total", metrics=metrics)
    assert (len(rescued), rescued[OTHER,], sum(rescued.values())) == (22, 9_980, 10_000)
    ready = {labels: value for labels, value in scraped(stage, "tidegate_queue_jobs", metrics=metrics).items() if value}
    assert (ready[OTHER, "ready"], sum(ready.values())) == (9_980, 10_000)
    assert scraped(stage, "tidegate_queue_oldest_ready_age_seconds", metrics=metrics)[OTHER,] == 2.0


def test_r18_circuits_are_told_by_what_was_heard_and_what_the_leader_knows():
    stage = Stage()
    stage.circuits = KnownCircuits(CircuitPlan([CircuitSpec("smtp", kinds=("mail:send",)), CircuitSpec("gpu", expected=False)]))
    metrics = Metrics(stage)
    assert scraped(stage, "tidegate_circuit_transitions_total", metrics=metrics) == {("smtp", "open"): 0}
    heard = (
        CircuitOutcomes("smtp", "fail", 5),
        CircuitChanged("smtp", "closed", "open", "failure_rate", 1, 10, 5, 0, None),
        CircuitsUnread("away"),
    )
    assert scraped(stage, "tidegate_circuit_transitions_total", *heard, metrics=metrics) == {("smtp", "open"): 1}
    assert scraped(stage, "tidegate_circuit_outcomes_total", metrics=metrics) == {("smtp", "fail"): 5, ("smtp", "ok"): 0}
    assert scraped(stage, "tidegate_circuits_unread_total", metrics=metrics) == {(): 1}


def test_the_leader_tells_how_every_circuit_stands_with_zeros_for_those_that_never_moved():
    async def main():
        stage = Stage("email")
        specs = [CircuitSpec("smtp", kinds=("mail:send",)), CircuitSpec("gpu")]
        stage.circuits = KnownCircuits(CircuitPlan(specs))
        metrics = Metrics(stage)
        assert samples(metrics.registry, "tidegate_circuit_state") == {}
        now = asyncio.get_running_loop().time()
        database = MemoryDatabase(asyncio.get_running_loop().time)
        store = MemoryStore(database)
        await store.know_circuits(stage.circuits.plan, node="n1")
        await store.move_circuit("smtp", lambda circuit, at: circuit.force("forced_open", at), rng=float)
        stage.circuits.learn(await store.circuits(), now)
        stage.snapshot = Snapshot(now, (QueueCounts("email", 0, 4, 0, 7.5, False),), None, (Gated("email", "smtp", 3, 7.5, 1.0),))
        assert samples(metrics.registry, "tidegate_circuit_state") == {("smtp",): 2, ("gpu",): 0}
        assert samples(metrics.registry, "tidegate_circuit_gated_jobs") == {("smtp",): 3, ("gpu",): 0}
        assert samples(metrics.registry, "tidegate_circuit_oldest_gated_age_seconds") == {("smtp",): 7.5, ("gpu",): 0}
        assert samples(metrics.registry, "tidegate_queue_gated_jobs") == {("email",): 3}
        assert samples(metrics.registry, "tidegate_queue_oldest_ready_age_seconds") == {("email",): 7.5}
        assert samples(metrics.registry, "tidegate_queue_oldest_free_age_seconds") == {("email",): 1.0}
        stage.snapshot = Snapshot(now, (QueueCounts("email", 0, 4, 0, 7.5, False),), None, (Gated("email", "smtp", 4, 7.5),))
        assert samples(metrics.registry, "tidegate_queue_oldest_free_age_seconds") == {("email",): 0}
        stage.snapshot = Snapshot(now, (QueueCounts("email", 0, 4, 0, 7.5, False),))
        assert samples(metrics.registry, "tidegate_queue_oldest_free_age_seconds") == {("email",): 7.5}
        assert samples(metrics.registry, "tidegate_circuit_open_seconds")[("gpu",)] == 0

    run_virtual(main())
