"""Which circuit each kind has, by which numbers; and what cannot hold, with its places."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidegate.circuit import CircuitConfig
from tidegate.circuit.assignment import Assignment, assign
from tidegate.errors import ConfigurationError
from tidegate.handlers import Handlers
from tidegate.jobs import Failed, Word
from tidegate.settings import Settings

NUMBERS = itertools.count()
Make = Callable[[str, str], Assignment]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a jobs module and a queues.yaml, and assign."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def assigned(jobs: str, queues: str) -> Assignment:
        module = f"circuit_jobs_{next(NUMBERS)}"
        (tmp_path / f"{module}.py").write_text(f"import smtplib\nfrom tidegate import Breaker, job\n\n{jobs}\n", "utf-8")
        (tmp_path / "queues.yaml").write_text(f"jobs: [{module}]\n{queues}\n", "utf-8")
        settings = Settings.load(tmp_path / "queues.yaml", environ={})
        return assign(settings, Handlers(settings.jobs, path=tmp_path), rng=lambda: 0.5)

    yield assigned
    for name in set(sys.modules) - before:
        del sys.modules[name]


def names(assignment: Assignment) -> dict[str, str]:
    return {kind.partition(":")[2]: name.rpartition(":")[2] for kind, name in assignment.plan.by_kind.items()}


SEND = '@job(queue="email"{})\ndef send(): ...\n\n'
BULK = '@job(queue="bulk"{})\ndef bulk(): ...\n'
QUEUES = "queues:\n  email: {}\n  bulk: {}"


def test_every_kind_has_a_circuit_of_its_own_with_the_usual_numbers(make: Make) -> None:
    assignment = make(SEND.format("") + BULK.format("") + "def plain(): ...\n", QUEUES)
    assert names(assignment) == {"send": "send", "bulk": "bulk", "plain": "plain"}
    assert {spec.config for spec in assignment.plan.specs.values()} == {CircuitConfig(distinct=3, ramp=5.0)}
    assert [spec.expected for spec in assignment.plan.specs.values()] == [True, True, False]


@pytest.mark.parametrize(
    ("send", "bulk", "queues", "expected"),
    [
        ("", "", "queues: {email: {circuit: false}, bulk: {}}", {"bulk": "bulk"}),
        ("", ", circuit=False", "queues: {email: {}, bulk: {}}", {"send": "send"}),
        (", circuit=True", "", "queues: {email: {circuit: false}, bulk: {circuit: false}}", {"send": "send"}),
        (', circuit="smtp"', ', circuit=Breaker("smtp")', "queues: {email: {}, bulk: {}}", {"send": "smtp", "bulk": "smtp"}),
        (', circuit="smtp"', "", "queues: {email: {circuit: false}, bulk: {circuit: smtp}}", {"send": "smtp", "bulk": "smtp"}),
        ("", ", circuit=Breaker()", "defaults: {circuit: shared}\nqueues: {email: {}, bulk: {}}", {"send": "shared", "bulk": "shared"}),
        ("", ', aliases=["old"]', "queues: {email: {circuit: relay}, bulk: {}}", {"send": "relay", "bulk": "bulk", "": "bulk"}),
    ],
)  # fmt: skip
def test_who_names_a_circuit(make: Make, send: str, bulk: str, queues: str, expected: dict[str, str]) -> None:
    assert names(make(SEND.format(send) + BULK.format(bulk), queues)) == expected


def test_the_numbers_are_those_of_circuits_else_the_queues_else_the_defaults(make: Make) -> None:
    assignment = make(
        SEND.format(', circuit="smtp"') + BULK.format(""),
        "defaults: {circuit: {open_for: 1m, consecutive: 7, slow_after: 9}}\ncircuits: {smtp: {failure_rate: 30}}\n"
        "queues: {email: {circuit: {open_for: 5}}, bulk: {circuit: {mode: observe, failure_rate: 0, distinct_jobs: 1}}}",
    )
    smtp, bulk = assignment.plan.spec("smtp"), assignment.plan.of("nobody")
    assert bulk is None
    assert (smtp.config.failure_rate, smtp.config.open_for, smtp.config.consecutive, smtp.observe) == (30, 60, 7, False)
    [own] = [spec for name, spec in assignment.plan.specs.items() if name != "smtp"]
    assert (own.config.failure_rate, own.config.open_for, own.config.slow_after, own.config.distinct, own.observe) == (
        None, 60, 9, 1, True,
    )  # fmt: skip
    assert assignment.plan.spec("unknown").config == CircuitConfig()


def test_exceptions_are_found_by_their_names(make: Make) -> None:
    assignment = make(SEND.format(""), "queues: {email: {circuit: {ignore: [OSError], count: [smtplib.SMTPServerDisconnected]}}}")
    import smtplib
    from datetime import UTC, datetime

    from tidegate.jobs import Job

    now = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(1, "email", next(iter(assignment.plan.by_kind)), b"", 1, 3, 0, 1, 1, now, now, 0.0)
    said = [assignment.judge(job, Word.FAILED, Failed(error)) for error in (FileNotFoundError(), smtplib.SMTPServerDisconnected())]
    assert said == ["ignore", "fail"]


def test_a_circuit_that_two_queues_configure_differently_is_refused_with_both_places(make: Make) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(
            SEND.format(', circuit="smtp"') + BULK.format(', circuit="smtp"'),
            "queues:\n  email: {circuit: {failure_rate: 30}}\n  bulk: {}",
        )
    message = str(caught.value)
    assert "the circuit smtp has two sets of numbers: " in message
    assert "queues.yaml:3: queues.email.circuit for " in message
    assert "queues.bulk.circuit for " in message
    assert caught.value.hint == "say them once, under circuits: {smtp: {...}}"


def test_a_circuit_that_no_job_has_is_refused_with_what_was_meant(make: Make) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(SEND.format(', circuit="smpt"'), "circuits: {smtp: {}}\nqueues: {email: {}}")
    assert "queues.yaml:2: circuits.smtp: no job has this circuit; did you mean smpt, which " in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"circuits\.relay: no job has this circuit"):
        make(SEND.format(""), "circuits: {relay: {}}\nqueues: {email: {}}")
    assert names(make("", "circuits: {relay: {}}\nqueues: {email: {circuit: relay}}")) == {}


@pytest.mark.parametrize("name", ["NoSuchError", "smtplib.NoSuchError", "no.such.module.Error", "smtplib.SMTP_PORT"])
def test_an_exception_that_does_not_exist_is_refused(make: Make, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"queues.email.circuit: there is no exception {name}"):
        make(SEND.format(""), f"queues: {{email: {{circuit: {{ignore: [{name}]}}}}}}")
