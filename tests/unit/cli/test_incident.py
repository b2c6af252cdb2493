"""The report of a dead letter, whatever lies in its row: anybody may have written it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.cli.incident import report
from tidegate.cli.letters_reading import error_line
from tidegate.dead_letters.letters import LetterDetail
from tidegate.redaction import Redactor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTEMPT: dict[str, Any] = {
    "attempt": 1, "outcome": "failed", "started_at": NOW.isoformat(), "finished_at": NOW.isoformat(), "duration": 0.1, "node": None,
    "error_type": "E", "error_message": "m", "traceback": "t", "output": "o", "lease": 1,
}  # fmt: skip
PARTS = (
    "system", "process", "queue_depths", "queue_depths_age", "pools", "circuit", "recent_errors", "node", "versions", "trace_id",
    "settings", "arguments", "unavailable",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    1, -1.5, "x", True, None, [], {}, [1], [None], [[]], [{}], {"a": 1}, {"email": 1}, {"email": {"ready": "x"}},
    {"load": "x", "cpu_count": {}, "cpu_percent": [], "memory_total": "x", "container": 1},
    {"load": [None, "x"], "container": {"memory_limit": "x", "cpu_limit": []}},
    [{"at": 1, "kind": None, "fingerprint": 3, "message": "a\nb"}],
    {"uptime": "x", "rss": [], "threads": {}, "app": 1, "python": []},
)  # fmt: skip
CALLS = (
    "1", '"x"', "[]", '{"args":1}', '{"args":[1],"kwargs":[]}', "[" * 5_000 + "]" * 5_000, '{"a":1}', '{"kwargs":{"":null}}',
    '{"args":["\\ud800"]}', '{"args":[' + "9" * 5_000 + "]}", '{"args":[1e999]}',
)  # fmt: skip
ODD: tuple[dict[str, Any], ...] = (
    {"locals": 1}, {"locals": [1]}, {"locals": [{"variables": 1}]}, {"locals": [{"variables": {"a": 1}}]}, {"duration": "x"},
    {"error_type": 1, "error_message": 2}, {"error_type": "", "error_message": ""}, {"traceback": 5}, {"output": 5},
)  # fmt: skip


def told(**row: Any) -> list[str]:
    """Return the report of a letter with these columns; it also makes standard JSON."""
    usual: dict[str, Any] = {
        "id": 1, "job_id": 1, "queue": "q", "kind": "k", "priority": 0, "attempt": 1, "lease": 1, "max_attempts": None, "crashes": 0,
        "enqueued_at": NOW, "run_at": NOW, "died_at": NOW, "reason": "poison", "node": None, "args": "{}", "meta": None,
        "unique_key": None, "error_type": None, "error_message": None, "fingerprint": "", "attempts": "[]", "forensics": None,
        "retried_as": None, "discarded_at": None, "redacted": False, "origin": None, "retry_of": None, "died_again_as": None, "alike": 1,
    }  # fmt: skip
    detail = LetterDetail.of(usual | row, Redactor())
    json.dumps(detail.as_json(), allow_nan=False)
    return list(report(detail))


@pytest.mark.parametrize("part", PARTS)
def test_any_forensics_can_be_reported(part: str) -> None:
    for value in VALUES:
        assert told(forensics=json.dumps({part: value}))


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_any_call_can_be_reported(call: str) -> None:
    assert told(args=call, meta=call)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_any_attempt_can_be_reported(odd: dict[str, Any]) -> None:
    assert told(attempts=json.dumps([ATTEMPT | odd, ATTEMPT | odd]))


def test_any_error_has_a_line() -> None:
    assert error_line("E", "a\nb") == "E: a"
    assert error_line(None, None) == "no error"
    assert error_line(":", "") == "no error"


def test_what_came_without_its_secrets_says_what_to_do() -> None:
    assert any("dlq edit 1" in line for line in told(redacted=True))
