"""What is asked of a node through the table, on real PostgreSQL: both ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tidegate.errors import DatabaseUnreachable
from tidegate.store import requests
from tidegate.store.connection import connect
from tidegate.store.requests import Desk, Request, Requests, ask


def rows(database: str) -> list[Any]:
    with connect(database) as connection:
        return connection.execute("SELECT node, about, params, answered_at FROM tidegate.node_requests ORDER BY id").fetchall()


def asking(database: str, said: list[Any], *, node: str = "n1", timeout: float = 20.0, **params: Any) -> threading.Thread:
    def run() -> None:
        with connect(database) as connection:
            said.append(ask(connection, node, "tree", params, timeout=timeout))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def first_request(desk: Desk, node: str = "n1") -> Request:
    while not (pending := desk.pending(node)):
        threading.Event().wait(0.01)
    return pending[0]


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (lambda desk, request: desk.answer(request, {"n": [1, "é", None]}), ({"n": [1, "é", None]}, None)),
        (lambda desk, request: desk.answer(request, error="no idea"), (None, "no idea")),
        (lambda desk, request: desk.answer(request, {"of": Request}), ({"of": str(Request)}, None)),
    ],
    ids=["a value", "an error", "something that is no JSON"],
)
def test_an_answer_reaches_who_asked_and_leaves_no_row(
    postgres: str, answer: Callable[[Desk, Request], None], came: tuple[Any, Any]
) -> None:
    said: list[Any] = []
    thread = asking(postgres, said, deep=True)
    with Requests(postgres).desk() as desk:
        request = first_request(desk)
        assert (request.about, request.params) == ("tree", {"deep": True})
        answer(desk, request)
        assert desk.pending("n1") == []
    thread.join(20)
    assert (said, rows(postgres)) == ([came], [])


def test_a_node_hears_that_it_is_asked(postgres: str) -> None:
    said: list[Any] = []
    with psycopg.connect(postgres, autocommit=True) as listener:
        listener.execute("LISTEN tidegate")
        thread = asking(postgres, said, timeout=0.2)
        [heard] = list(listener.notifies(timeout=20, stop_after=1))
    thread.join(20)
    assert heard.payload == '{"node" : "n1"}'


def test_what_is_asked_of_another_node_is_not_this_ones_business(postgres: str) -> None:
    said: list[Any] = []
    thread = asking(postgres, said, node="n2")
    with Requests(postgres).desk() as desk:
        request = first_request(desk, "n2")
        assert desk.pending("n1") == []
        desk.answer(request, 1)
    thread.join(20)
    assert said == [(1, None)]


def test_who_gets_no_answer_in_time_takes_the_request_away(postgres: str) -> None:
    said: list[Any] = []
    thread = asking(postgres, said, timeout=0.2)
    thread.join(20)
    assert (said, rows(postgres)) == ([None], [])


def test_an_answer_that_nobody_waits_for_is_nobodys(postgres: str) -> None:
    with Requests(postgres).desk() as desk:
        desk.answer(Request(77, "tree", {}), 1)
    assert rows(postgres) == []


def test_old_requests_go_with_the_next_one_and_are_not_answered(postgres: str) -> None:
    with connect(postgres) as connection:
        for age in ("2 minutes", "11 minutes"):
            connection.execute(
                "INSERT INTO tidegate.node_requests (node, about, params, asked_at)"
                " VALUES ('n1', 'tree', '{}', clock_timestamp() - %s::interval)",
                (age,),
            )
        with Requests(postgres).desk() as desk:
            assert desk.pending("n1") == []
        ask(connection, "n1", "tree", {}, timeout=0.05)
    assert len(rows(postgres)) == 1


def test_where_no_notifications_come_who_asked_looks(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "pooled", lambda _: True)
    monkeypatch.setattr(requests, "LOOK_EVERY", 0.05)
    said: list[Any] = []
    thread = asking(database, said)
    with Requests(database).desk() as desk:
        desk.answer(first_request(desk), {"n": 1})
    thread.join(20)
    assert said == [({"n": 1}, None)]


def test_a_database_that_is_away_is_weather_for_both_ends() -> None:
    away = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(DatabaseUnreachable), Requests(away).desk():
        pass
