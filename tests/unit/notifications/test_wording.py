"""What a notification says, whatever stands in the names of jobs and the texts of errors."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.notifications.mail import letter
from tidegate.notifications.webhook import payload
from tidegate.notifications.wording import body, chat, digest_body, for_chat, plain, title, trial_body
from tidegate.store.alerts import Happening

LETTER = {
    "dead_letter": 7, "job": 42, "queue": "email", "kind": "shop.jobs:send", "reason": "attempts_exhausted", "fingerprint": "f1",
    "error": {"type": "ValueError", "message": "bad"},
}  # fmt: skip
ERROR = {
    "fingerprint": "f1",
    "error": {"type": "E", "message": "m"},
    "kinds": ["a:b"],
    "queues": ["q"],
    "jobs": [1],
    "version": "2",
}
CIRCUIT = {
    "circuit": "smtp", "reason": "failure rate", "calls": 10, "failures": 6, "slow": 1, "kinds": ["a:b"], "actor": None, "note": None,
}  # fmt: skip
LATE = {"queue": "email", "age": 61.0, "target": 5.0, "ready": 10, "running": 2}
NODE = {"node": "n1", "host": "h", "pid": 1, "queues": ["q"], "why": "its lease ran out"}


def dead(**facts: Any) -> Happening:
    return Happening("dead_letter", "f1", 0.0, {**LETTER, **facts})


@pytest.mark.parametrize(
    ("happening", "words"),
    [
        (dead(), "dead letter in email: shop.jobs:send (attempts_exhausted): ValueError: bad"),
        (dead(error={"type": None, "message": None}), "dead letter in email: shop.jobs:send (attempts_exhausted)"),
        (dead(error={"type": "E", "message": ""}), "dead letter in email: shop.jobs:send (attempts_exhausted): E"),
        (Happening("error_new", "f1", 0.0, ERROR), "new error in a:b: E: m"),
        (Happening("error_regressed", "f1", 0.0, ERROR), "error is back on version 2 in a:b: E: m"),
        (Happening("circuit_opened", "smtp", 0.0, CIRCUIT), "circuit smtp opened: failure rate"),
        (Happening("circuit_opened", "smtp", 0.0, {**CIRCUIT, "actor": "ada", "note": "work"}), "circuit smtp opened by ada: work"),
        (Happening("queue_late", "email", 0.0, LATE), "queue email is late: its oldest ready job has waited for 61 s, more than 5 s"),
        (Happening("node_lost", "h", 0.0, NODE), "node n1 is lost: its lease ran out"),
        (Happening("something", "x", 0.0, {}), "something x"),
    ],
)  # fmt: skip
def test_every_happening_has_a_title(happening: Happening, words: str) -> None:
    assert title(happening) == words
    told = body(happening)
    assert plain(told).startswith(words)
    assert told["at"] == "1970-01-01T00:00:00.000Z"


def test_many_deaths_of_a_group_are_one() -> None:
    assert title(Happening("dead_letter", "f1", 0.0, LETTER, count=1_200)).startswith("1,200 dead letters in email")


@pytest.mark.parametrize("call", ["<!channel>", "<!here|x>", "<@U123>", "<http://evil.example|click>", "&lt;!channel&gt;"])
def test_nothing_in_a_chat_acts_as_markup(call: str) -> None:
    said = payload(body(dead(kind=call, error={"type": "E", "message": call})))["text"]
    assert "<" not in said
    assert call not in said


@pytest.mark.parametrize("name", ["@channel", "@everyone", "@here"])
def test_nobody_is_called_where_a_chat_knows_plain_names(name: str) -> None:
    assert name not in for_chat(f"boom {name}!")


def test_a_link_in_markdown_is_none() -> None:
    assert "](" not in for_chat("[ok](http://evil.example)")


def test_lines_of_a_chat_are_quoted_and_those_of_others_are_not() -> None:
    said = chat(body(dead(error={"type": "E", "message": "\n> forged\n\n> line"})))
    assert [line[:2] for line in said.splitlines()] == ["de", "> "]
    assert "&gt; forged" in said


def test_a_text_is_bounded_and_has_nothing_unseen() -> None:
    told = body(dead(error={"type": "E" * 10_000, "message": "\x1b[31m\u202e\x00" + "m" * 10_000}))
    assert len(told["title"]) <= 300
    assert "\x1b" not in plain(told)
    assert len(chat(told)) <= 3_000
    assert len(told["facts"]["error"]["message"]) <= 1_000


def test_secrets_in_an_error_are_not_told() -> None:
    told = body(dead(error={"type": "E", "message": "password=hunter2 at postgresql://u:hunter3@h/db"}))
    assert "hunter2" not in str(told)
    assert "hunter3" not in str(told)


def test_a_subject_is_one_line_whatever_the_error_says() -> None:
    mail = letter(body(dead(error={"type": "E", "message": "x\r\nBcc: all@example.org\r\n\r\nbody"})), to=["a@b.c"], sender="t@b.c")
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
    assert "Bcc: all@example.org" in mail["Subject"]
    assert len(mail["Subject"]) <= 150


def test_a_digest_says_what_was_held_back_the_most_first() -> None:
    groups = [
        {"event": "node_lost", "group": f"h{n}", "title": f"node {n} is lost", "count": 50 - n, "first": 0.0, "last": 60.0}
        for n in range(30)
    ]
    told = digest_body(groups, since=0.0, now=600.0)
    assert told["title"] == "1,065 more in 30 groups within 10 min"
    assert told["lines"][0] == "50 x node 0 is lost"
    assert told["lines"][-1] == "and 255 of 10 other groups"
    assert told["facts"]["groups"][29]["first"] == "1970-01-01T00:00:00.000Z"


def test_a_test_says_that_it_is_one() -> None:
    assert payload(trial_body("ops"))["event"] == "test"
    assert "test of the channel ops" in letter(trial_body("ops"), to=["a@b.c"], sender="t@b.c")["Subject"]
