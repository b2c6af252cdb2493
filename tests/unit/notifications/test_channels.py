"""Which rule tells what, what of it may be shown, and which queues are late."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidegate.errors import ConfigurationError
from tidegate.notifications import Channel, channels_of
from tidegate.notifications.lateness import Lateness
from tidegate.settings import Settings
from tidegate.settings.notifications import NOTIFIED
from tidegate.store.alerts import Happening
from tidegate.store.protocol import QueueCounts


def channel(**rule: Any) -> Channel:
    settings = Settings(queues={"email": {}}, notifications=[{"log": True, **rule}])
    [found] = channels_of(settings.notifications, Path())
    return found


def happened(event: str = "dead_letter", **facts: Any) -> Happening:
    return Happening(event, "g", 0.0, facts)


def read(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "queues.yaml"
    path.write_text(f"queues: {{email: {{}}}}\n{text}", "utf-8")
    return Settings.load(path, environ=environ)


def test_a_rule_tells_its_events_and_all_of_them_by_default() -> None:
    assert channel().events == NOTIFIED
    assert channel(on="node_lost").events == ("node_lost",)
    assert not channel(on=["node_lost", "queue_late"]).wants(happened())


def test_a_rule_for_queues_tells_what_concerns_them() -> None:
    ours = channel(queues=["email", "ml"])
    assert ours.wants(happened(queue="email"))
    assert not ours.wants(happened(queue="other"))
    assert ours.wants(happened("error_new", queues=["x", "ml"]))
    assert not ours.wants(happened("node_lost", queues=["x"]))
    assert ours.wants(happened("circuit_opened", circuit="smtp"))


def test_what_one_channel_has_seen_is_told_there_only() -> None:
    seen = Happening("queue_late", "email", 0.0, {"queue": "email"}, channel="log-1")
    assert channel().wants(seen)
    assert not channel(name="other").wants(seen)


def test_an_empty_target_switches_a_rule_off(tmp_path: Path) -> None:
    text = 'notifications: [{on: dead_letter, webhook: "${ALERT_URL:-}"}, {command: "${ALERT_COMMAND:-}"}, {log: false}]\n'
    assert channels_of(read(tmp_path, text).notifications, tmp_path) == ()
    on = channels_of(read(tmp_path, text, ALERT_URL="https://hooks.example.org/x").notifications, tmp_path)
    assert [each.name for each in on] == ["webhook-1"]


def test_no_view_shows_a_secret(tmp_path: Path) -> None:
    text = """
notifications:
  - {webhook: "https://user:s3cret@hooks.example.org:8443/s3cret?k=s3cret", token: s3cret}
  - {smtp: "smtps://user:s3cret@mail.example.org", to: ops@example.org}
  - {command: [./alert, --token, s3cret]}
"""
    settings = read(tmp_path, text)
    channels = channels_of(settings.notifications, tmp_path)
    shown = [repr(settings), str(settings.notifications), repr(channels), json.dumps(settings.model_dump(mode="json"))]
    shown += [str(settings.origins()), settings.fingerprint]
    assert "s3cret" not in " ".join(shown)
    assert [each.shown for each in channels] == [
        "https://hooks.example.org:8443/***",
        "ops@example.org by smtps://mail.example.org/***",
        "./alert ***",
    ]
    assert channels[2].rule.command == ("./alert", "--token", "s3cret")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{on: dead_letter}", "notifications[0]: says no way to tell it; say one of webhook, smtp, command and log"),
        ("{webhook: 'http://a', log: true}", "notifications[0]: says webhook and log to tell it; say one of"),
        ("{on: dead_leter, log: true}", "notifications[0].on[0]: expected dead_letter, error_new"),
        ("{on: dead_leter, log: true}", "did you mean dead_letter?"),
        ("{webhok: 'http://a'}", "notifications[0].webhok: unknown key; did you mean webhook?"),
        ("{webhook: 'file:///etc/passwd'}", "notifications[0].webhook: expected an address such as https://hooks.example.org/alerts"),
        ("{webhook: 'http://a b/s3cret'}", "notifications[0].webhook: expected an address such as"),
        ("{webhook: 'http://[s3cret'}", "notifications[0].webhook: expected an address such as"),
        ("{webhook: 7}", "notifications[0].webhook: expected a text"),
        ("{smtp: 'smtp://h'}", "notifications[0]: says smtp and not whom `to`"),
        ("{smtp: 'http://h', to: a@b.c}", "notifications[0].smtp: expected an address such as smtp://user:password@host:587"),
        ('{smtp: "smtp://h", to: "a@b.c\\nBcc: x@y.z"}', "notifications[0].to[0]: expected a mail address such as ops@example.org"),
        ("{webhook: 'http://h', to: a@b.c}", "notifications[0]: to has no meaning for webhook; leave it out"),
        ("{command: 'a \"b'}", "notifications[0].command: not a command line (No closing quotation)"),
        ("{command: [a, 7]}", "notifications[0].command[1]: expected a word of a command line"),
        ("{log: true, name: 'a b'}", "notifications[0].name: the name of a rule has 1 to 63 letters"),
        ("{log: true, queues: [7]}", "notifications[0].queues[0]: expected the name of a queue, got 7"),
        ("{log: true, rate: 0}", "notifications[0].rate: must be at least 1, got 0"),
        ("{log: true, name: a}, {log: true, name: a}", "notifications: two rules are named a"),
        ("7", 'notifications[0]: expected a mapping such as {on: dead_letter, webhook: "${ALERT_URL:-}"}, got 7'),
    ],
)  # fmt: skip
def test_what_cannot_hold_is_refused_without_repeating_it(tmp_path: Path, rule: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, f"notifications: [{rule}]\n")
    assert words in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_notifications_are_a_list(tmp_path: Path) -> None:
    assert read(tmp_path, "notifications:\n").notifications == ()
    with pytest.raises(ConfigurationError, match=r"notifications: expected a list such as"):
        read(tmp_path, "notifications: {log: true}\n")


def test_a_variable_says_them_as_json(tmp_path: Path) -> None:
    said = read(tmp_path, "", TIDEGATE_NOTIFICATIONS='[{"log": true, "on": "node_lost"}]')
    assert said.notifications[0].on == ("node_lost",)
    with pytest.raises(ConfigurationError, match=r"TIDEGATE_NOTIFICATIONS: notifications\[0\]: expected a mapping"):
        read(tmp_path, "", TIDEGATE_NOTIFICATIONS="[log")


def counts(age: float | None, *, queue: str = "email", paused: bool = False) -> QueueCounts:
    return QueueCounts(queue, 0, 10, 1, age, paused)


def test_a_queue_is_told_when_it_becomes_late_and_not_while_it_stays_so() -> None:
    late = Lateness(channel(latency=10), {"email": 3.0})
    seen = [bool(late.look([counts(age)])) for age in (9.0, 11.0, 12.0, 8.0, 11.0, 5.0, 11.0, None, 11.0)]
    assert seen == [False, True, False, False, False, False, True, False, True]


def test_a_paused_queue_and_one_that_is_not_asked_for_are_not_late() -> None:
    late = Lateness(channel(latency=10, queues="email"), {})
    assert late.look([counts(99.0, paused=True), counts(99.0, queue="other")]) == []
    [(queue, facts)] = late.look([counts(99.0)])
    assert (queue, facts["age"], facts["target"]) == ("email", 99.0, 10.0)


def test_where_the_rule_says_no_latency_each_queue_has_its_own_target() -> None:
    late = Lateness(channel(), {"email": 3.0, "ml": 600.0})
    told = late.look([counts(5.0), counts(5.0, queue="ml"), counts(59.0, queue="undeclared")])
    assert [(queue, facts["target"]) for queue, facts in told] == [("email", 3.0)]
    told = late.look([counts(5.0), counts(601.0, queue="ml"), counts(61.0, queue="undeclared")])
    assert [(queue, facts["target"]) for queue, facts in told] == [("ml", 600.0), ("undeclared", 60.0)]
