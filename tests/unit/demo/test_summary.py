import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tidegate.demo.findings import Counted, Letters, Models, Opened
from tidegate.demo.summary import percentile, show, sizes, summarise
from tidegate.demo.tally import Crash, QueueTally

LETTERS = Letters(arrived=8, copies=9, folder="mail")
COUNTED = Counted(counted=5, ledger=12, aggregated=12, routes=3)
MODELS = Models(trained=2, best_score=0.9778, best_depth=12)


def email(**changes):
    tally = QueueTally(enqueued=10, done=8, dead=2, retried=5)
    tally.waits.extend([0.1, 0.2, 0.3, 4.0])
    tally.pool.extend([(0.0, 1), (15.0, 5)])
    for name, value in changes.items():
        setattr(tally, name, value)
    return tally


def summary(*, queue=None, letters=LETTERS, counted=COUNTED, models=MODELS, overdue=False):
    queues = {"email": queue or email(), "analytics": QueueTally(enqueued=5, done=5)}
    return summarise(queues, began=0.0, ended=30.0, letters=letters, departures=counted, models=models, overdue=overdue)


def shown(told, *, terminal=False):
    out = io.StringIO()
    show(told, Console(file=out, force_terminal=terminal, width=120))
    return out.getvalue()


def test_a_run_that_came_out_as_it_should_is_ok():
    assert summary().ok


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"letters": Letters(7, 7, "mail")}, "email: 8 letters were sent, 7 arrived"),
        ({"queue": email(enqueued=11), "overdue": True}, "email: 1 job had not ended"),
        ({"counted": Counted(4, 12, 12, 3)}, "analytics: 5 departures were counted, the database knows 4 of them"),
        ({"counted": Counted(5, 12, 13, 3)}, "analytics: the routes add up to 13 departures, 12 were counted"),
    ],
)
def test_what_is_missing_afterwards_is_a_problem(changes, problem):
    assert summary(**changes).problems == (problem,)


def test_a_letter_that_came_twice_is_no_problem():
    assert summary(letters=Letters(arrived=8, copies=10, folder="mail")).ok


def test_letters_of_jobs_that_others_enqueued_are_no_problem():
    assert summary(letters=Letters(arrived=11, copies=11, folder="mail")).ok


def test_what_a_broken_off_run_left_is_told_and_no_problem():
    told = summary(queue=email(enqueued=13))
    assert told.ok
    assert "3 left or run elsewhere" in shown(told)


def test_a_summary_is_json():
    told = json.loads(json.dumps(summary().as_json()))
    assert (told["ok"], told["queues"][0]["retried"], told["models"]["best_score"]) == (True, 5, 0.9778)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.25, 1), (0.5, 2), (0.95, 4), (1.0, 4)])
def test_a_percentile_is_one_of_the_values(share, value):
    assert percentile([4, 2, 3, 1], share) == value


def test_nothing_has_no_percentile():
    assert percentile([], 0.5) is None


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 1))
def test_at_least_the_share_does_not_exceed_the_percentile(values, share):
    found = percentile(values, share)
    assert sum(value <= found for value in values) >= share * len(values)


def test_a_pool_that_grew_shows_its_sizes_over_the_run():
    assert sizes([(0.0, 1), (4.0, 3), (9.0, 2)], began=0.0, ended=10.0, columns=5) == (1, 1, 3, 3, 3)


def test_a_pool_has_no_size_before_its_first_change():
    assert sizes([(5.0, 2)], began=0.0, ended=10.0, columns=4) == (0, 0, 2, 2)


def test_a_peak_within_a_column_is_not_lost():
    assert sizes([(0.0, 1), (1.0, 5), (2.0, 1)], began=0.0, ended=10.0, columns=2) == (5, 1)


def test_a_run_without_a_pool_has_no_sizes():
    assert sizes([], began=0.0, ended=10.0) == ()


def test_plain_output_is_text_without_escapes():
    assert shown(summary()).isascii()


def test_plain_output_tells_counts_waits_and_pool_sizes():
    line = next(line for line in shown(summary()).splitlines() if line.startswith("email"))
    assert line.split() == ["email", "10", "8", "5", "2", "200", "ms", "4.0", "s", "1" * 15 + "5" * 15]


def test_plain_output_names_each_problem():
    assert "problem: email: 8 letters were sent, 7 arrived" in shown(summary(letters=Letters(7, 7, "mail")))


def test_a_crash_is_told_with_its_verdict_and_what_came_of_it():
    crashes = [
        Crash("read_scan", 1, "its process was ended by SIGBUS", again=True),
        Crash("read_scan", 3, "exit code 3", again=False),
    ]
    lines = [line for line in shown(summary(queue=email(crashes=crashes))).splitlines() if line.startswith("crash")]
    assert lines == [
        "crash: email: read_scan, attempt 1: its process was ended by SIGBUS; it was tried again",
        "crash: email: read_scan, attempt 3: exit code 3; it is dead",
    ]


def test_a_terminal_sees_a_sparkline_with_its_range():
    assert "▂▂█" not in shown(summary())
    assert "█ 1-5" in shown(summary(), terminal=True)


def test_a_run_without_models_says_nothing_of_a_best_one():
    assert "models: 0 trained\n" in shown(summary(models=Models(trained=0)))


def test_a_pool_that_never_changed_shows_one_number():
    steady = email()
    steady.pool.clear()
    steady.pool.append((0.0, 5))
    assert "█ 5 " in shown(summary(queue=steady), terminal=True)


def test_circuits_that_opened_are_told():
    told = summarise(
        {},
        began=0.0,
        ended=30.0,
        letters=LETTERS,
        departures=COUNTED,
        models=MODELS,
        circuits=[Opened("smtp", 1, 4.5), Opened("api", 2, 9)],
    )
    lines = shown(told)
    assert "circuit smtp: opened once, closed after 4.5 s; jobs that waited lost no attempt" in lines
    assert "circuit api: opened 2 times, closed after 9 s" in lines
    assert told.as_json()["circuits"][0] == {"circuit": "smtp", "times": 1, "seconds": 4.5}
