"""The outage of the demo: a mail server that goes away and comes back on the same port, and what is kept of it."""

import smtplib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tidegate.demo.outage import Outage
from tidegate.demo.postbox import Postbox
from tidegate.events import CircuitChanged, CircuitsUnread


def greeted(postbox: Postbox) -> bool:
    """Tell whether the server answers."""
    parts = urlsplit(postbox.url)
    try:
        with smtplib.SMTP(parts.hostname or "", parts.port or 0, timeout=10) as server:
            return server.noop()[0] == 250
    except OSError:  # refused; or cut off, where it was the last to be let in
        return False


def answers(postbox: Postbox, *, expected: bool) -> bool:
    """Look until the server is as expected: it goes and comes in a thread of its own."""
    return any(greeted(postbox) is expected for _ in range(10_000))


def outage(postbox: Postbox, seconds: float, clock=lambda: 0.0) -> tuple[Outage, list[str]]:
    said: list[str] = []
    return Outage(postbox, seconds, said.append, clock), said


def test_the_server_is_down_for_a_part_of_the_run_and_back_on_the_same_port(tmp_path: Path) -> None:
    with Postbox(tmp_path) as postbox:
        planned, said = outage(postbox, 100)
        planned.at(34)
        assert greeted(postbox)
        planned.at(36)
        assert answers(postbox, expected=False)
        planned.at(50)
        assert postbox.away
        planned.at(56)
        assert answers(postbox, expected=True)
        planned.at(57)
        assert not postbox.away
    assert said == ["36 s: the mail server goes down, on purpose", "56 s: the mail server is back"]


def test_it_is_back_at_the_end_of_a_run_that_ends_early(tmp_path: Path) -> None:
    with Postbox(tmp_path) as postbox:
        planned, _ = outage(postbox, 100)
        planned.at(40)
        planned.end()
        assert answers(postbox, expected=True)


@pytest.mark.parametrize("seconds", [1, 14])
def test_a_short_run_has_no_room_for_one(tmp_path: Path, seconds: float) -> None:
    with Postbox(tmp_path) as postbox:
        planned, said = outage(postbox, seconds)
        planned.at(seconds)
        assert (postbox.away, said) == (False, [])


def test_what_circuits_did_is_said_and_kept(tmp_path: Path) -> None:
    now = [0.0]
    planned, said = outage(Postbox(tmp_path), 30, lambda: now[0])
    for at, before, after in (
        (1, "closed", "open"),
        (3, "open", "half_open"),
        (4, "half_open", "open"),
        (9, "half_open", "closed"),
    ):
        now[0] = at
        planned.heard(CircuitChanged("smtp", before, after, "probe_failed", 1, 5, 5, 0, None))
    planned.heard(CircuitsUnread("away"))
    assert said[0] == "circuit smtp: closed -> open (probe failed)"
    assert said[1] == "circuit smtp: open -> half-open (probe failed)"
    assert (planned.opened, planned.seconds) == ({"smtp": 2}, {"smtp": 8.0})
