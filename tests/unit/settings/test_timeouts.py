"""`database_timeouts`: how long the database is waited for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.errors import ConfigurationError
from tidegate.settings import Settings


def load(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "queues.yaml"
    path.write_text(text + "\nqueues: {email: {consumers: 1}}\n", "utf-8")
    return Settings.load(path, environ=environ)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return str(caught.value)


def test_every_limit_can_be_said_in_the_file_and_in_the_environment(tmp_path: Path) -> None:
    text = "database_timeouts: {connect: 5, statement: 2.5s, lock: 500ms, idle: 1m, silence: 15, application: 0}"
    said = load(tmp_path, text).database_timeouts
    assert (said.connect, said.statement, said.lock, said.idle, said.silence, said.application) == (5, 2.5, 0.5, 60, 15, 0)
    assert load(tmp_path, text, TIDEGATE_DATABASE_TIMEOUTS__STATEMENT="4").database_timeouts.statement == 4
    usual = load(tmp_path, "").database_timeouts
    assert (usual.connect, usual.statement, usual.lock, usual.idle, usual.silence, usual.application) == (10, 10, 2, 10, 25, 3600)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "lease: 8\ndatabase_timeouts:\n  statement: 9",
            "queues.yaml:3:14: database_timeouts.statement: 9s is longer than the lease (8s)",
        ),
        (
            "lease: 8\ndatabase_timeouts:\n  connect: 9",
            "queues.yaml:3:12: database_timeouts.connect: 9s is longer than the lease (8s)",
        ),
        ("database_timeouts:\n  statment: 9", "queues.yaml:2:3: database_timeouts.statment: unknown key; did you mean statement?"),
        ("database_timeouts: {lock: 0}", "queues.yaml:1:27: database_timeouts.lock"),
        ("database_timeouts: {statement: soon}", "queues.yaml:1:32: database_timeouts.statement: expected a time such as"),
        ("database_timeouts: 5", "queues.yaml:1:20: database_timeouts: expected a mapping such as {statement: 5}"),
    ],
)
def test_what_cannot_hold_is_refused_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refused(tmp_path, text)


def test_a_short_lease_does_not_clash_with_what_nobody_said(tmp_path: Path) -> None:
    assert load(tmp_path, "lease: 2").database_timeouts.statement == 10
