"""`tidegate notify`: tests of channels, what was told, and what was given up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.endpoint import Endpoint
from tidegate.cli import main

RULES = """\
database: {database}
queues: {{email: {{}}}}
notifications:
  - {{name: ops, on: [dead_letter, node_lost], webhook: "${{ALERT_URL:-}}"}}
  - {{log: true}}
"""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def config(database: str, tmp_path: Path) -> str:
    path = tmp_path / "queues.yaml"
    path.write_text(RULES.format(database=database), "utf-8")
    return str(path)


def run(config: str, *words: str) -> int:
    return main(["--config", config, *words])


def test_a_test_goes_through_every_channel(
    config: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALERT_URL", endpoint.url)
    assert run(config, "notify", "test", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(each["channel"], each["delivered"], each["error"]) for each in told] == [("ops", True, None), ("log-2", True, None)]
    assert endpoint.told[0]["event"] == "test"
    assert run(config, "notify", "test", "ops") == 0
    out = capsys.readouterr().out
    assert "delivered" in out
    assert "s3cret" not in out


def test_a_channel_that_cannot_be_told(
    config: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.mode = 500
    monkeypatch.setenv("ALERT_URL", endpoint.url)
    assert run(config, "notify", "test") == 1
    captured = capsys.readouterr()
    assert "the endpoint answered 500: no" in captured.out
    assert "error: ops could not be told" in captured.err
    assert "s3cret" not in captured.out + captured.err


def test_channels_that_are_off_unknown_or_not_there(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ALERT_URL", raising=False)
    assert run(config, "notify", "test") == 0
    assert "ops is switched off: its target is empty" in capsys.readouterr().err
    assert run(config, "notify", "test", "ops") == 2
    assert "error: ops: switched off, so that nobody is told" in capsys.readouterr().err
    assert run(config, "notify", "test", "opps") == 3
    assert "did you mean ops?" in capsys.readouterr().err
    (tmp_path / "queues.yaml").write_text("queues: {email: {}}\n", "utf-8")
    assert run(config, "notify", "test") == 2
    assert "there are no notifications in the settings" in capsys.readouterr().err


def test_what_was_told_is_listed_and_what_was_given_up_tried_again_or_let_go(
    config: str, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "notify", "list") == 0
    assert "nothing was told" in capsys.readouterr().err
    with psycopg.connect(database, autocommit=True) as connection:
        for state in ("sent", "failed", "failed"):
            connection.execute(
                "INSERT INTO tidegate.notifications (channel, event, grp, body, state, attempts, ended_at, error) VALUES"
                " ('ops', 'node_lost', 'h', '{\"title\": \"node n is lost\", \"count\": 1, \"facts\": {}}', %s, 9,"
                " clock_timestamp(), 'gone')",
                (state,),
            )
    assert run(config, "notify", "list", "--state", "failed", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each["id"], each["title"], each["tries"], each["error"]) for each in listed] == [
        (3, "node n is lost", 9, "gone"),
        (2, "node n is lost", 9, "gone"),
    ]
    assert run(config, "notify", "list", "--channel", "ops") == 0
    assert "node n is lost" in capsys.readouterr().out
    assert run(config, "doctor", "--json") == 5
    found = [each for each in json.loads(capsys.readouterr().out) if each["check"] == "alerts"]
    assert [each["what"] for each in found] == ["alerts of the channel ops were not delivered: 2 were given up"]
    assert run(config, "notify", "retry") == 2
    assert run(config, "notify", "retry", "1") == 3
    assert run(config, "notify", "retry", "2") == 0
    assert run(config, "notify", "discard", "--all") == 0
    assert "1 notification will not be told" in capsys.readouterr().err
