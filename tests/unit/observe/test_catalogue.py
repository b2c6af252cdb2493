import re
from pathlib import Path

import pytest

from tidegate.observe import reference
from tidegate.observe.catalogue import CATALOGUE, Exists

ROOT = Path(__file__).resolve().parents[3]

PROMISED = {
    "tidegate_jobs_enqueued_total": "queue kind",
    "tidegate_jobs_finished_total": "queue kind outcome",
    "tidegate_job_wait_seconds": "queue",
    "tidegate_job_run_seconds": "queue kind",
    "tidegate_claim_seconds": "queue",
    "tidegate_claim_batch_jobs": "queue",
    "tidegate_ack_seconds": "queue",
    "tidegate_leases_lost_total": "queue",
    "tidegate_consumers": "queue state",
    "tidegate_consumers_target": "queue",
    "tidegate_demand": "queue",
    "tidegate_dead_letters_total": "queue kind reason",
    "tidegate_jobs_rescued_total": "queue",
    "tidegate_supervisor_restarts_total": "child",
    "tidegate_queue_broken": "queue",
    "tidegate_database_errors_total": "operation",
    "tidegate_event_loop_lag_seconds": "",
    "tidegate_build_info": "version",
    "tidegate_queue_jobs": "queue state",
    "tidegate_queue_oldest_ready_age_seconds": "queue",
    "tidegate_queue_paused": "queue",
    "tidegate_circuit_transitions_total": "circuit to",
    "tidegate_circuit_outcomes_total": "circuit outcome",
    "tidegate_circuit_state": "circuit",
    "tidegate_circuit_gated_jobs": "circuit",
    "tidegate_autoscaler_need": "queue",
    "tidegate_leader": "",
    "tidegate_snapshot_age_seconds": "",
}
BOUNDED = {
    "queue",
    "kind",
    "outcome",
    "reason",
    "state",
    "operation",
    "child",
    "channel",
    "version",
    "table",
    "fingerprint",
    "error",
    "circuit",
    "to",
}


def test_every_promised_metric_is_there_with_its_labels():
    have = {metric.name: " ".join(metric.labels) for metric in CATALOGUE}
    assert {name: have.get(name) for name in PROMISED} == PROMISED


def test_no_name_is_given_twice():
    names = [metric.name for metric in CATALOGUE]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_name_tells_its_type_and_its_unit(metric):
    assert re.fullmatch(r"tidegate_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.type == "counter"), "counters, and they alone, end with _total"
    assert metric.type != "histogram" or metric.name.endswith(("_seconds", "_jobs")), "base units"


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_no_label_grows_without_end(metric):
    assert set(metric.labels) <= BOUNDED


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_help_is_a_sentence(metric):
    assert metric.help.endswith(".")
    assert "\n" not in metric.help


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_histograms_alone_have_buckets_and_these_rise(metric):
    assert bool(metric.buckets) == (metric.type == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_the_reference_page_is_current():
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    assert page == reference.page(), "python -m tidegate.observe.reference > docs/reference/metrics.md"


def test_the_reference_page_has_a_section_for_every_way_of_existing():
    assert set(reference.SECTIONS) == set(Exists)
