"""What `tidegate circuits` tells and does, in the shapes that are promised."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.integration.cli.shop import Shop
from tests.integration.cli.test_reading import node

CIRCUIT = {
    "circuit", "state", "calls", "failures", "failure_rate", "slow_rate", "opened_at", "until", "trips", "probes", "gated_jobs",
    "reason", "actor",
}  # fmt: skip
NAME = "shopjobs:greet"


def show(shop: Shop, name: str = NAME) -> Any:
    return shop.json("circuits", "show", name)


def refused(shop: Shop, *args: str) -> tuple[int, str]:
    result = shop.run("circuits", *args)
    return result.exit_code, result.stderr


class TestLooking:
    def test_every_declared_kind_has_one_before_any_node_has_told_of_it(self, shop: Shop) -> None:
        listed = shop.json("circuits", "list")
        assert NAME in [circuit["circuit"] for circuit in listed]
        assert all(set(circuit) >= CIRCUIT for circuit in listed)
        assert {circuit["state"] for circuit in listed} == {"closed"}
        assert listed[0]["probes"] == {"allowed": 3, "out": 0, "ok": 0, "failed": 0}

    def test_those_that_hold_jobs_back_come_first(self, shop: Shop) -> None:
        shop.run("circuits", "open", "shopjobs:nap")
        assert [circuit["circuit"] for circuit in shop.json("circuits", "list", "--limit", "1")] == ["shopjobs:nap"]
        assert "forced open" in shop.run("circuits", "list").stdout.splitlines()[1]

    def test_it_tells_why_it_opened_by_which_errors_and_jobs_and_what_waits(self, shop: Shop) -> None:
        shop.run("circuits", "reset", NAME)
        memory = {"failed": [], "errors": {}}
        shop.execute(
            "UPDATE tidegate.circuits SET state = 'open', gates = true, reason = 'failure_rate', calls = 10, failures = 6, trips = 1,"
            " until = clock_timestamp() + interval '60 s', opened_at = clock_timestamp(), memory = %s WHERE name = %s",
            json.dumps(memory),
            NAME,
        )
        shop.execute(
            "INSERT INTO tidegate.circuit_events (circuit, gen, from_state, to_state, reason, n, failed, slow, top_errors, sample_job_ids)"
            " VALUES (%s, 9, 'closed', 'open', 'failure_rate', 10, 6, 0, %s, '{7,8}')",
            NAME,
            json.dumps([{"type": "ConnectionRefusedError", "count": 6, "message": "down"}]),
        )
        for _ in range(3):
            shop.insert()
        shop.insert(kind="shopjobs:bill")
        told = show(shop)
        assert (told["state"], told["failure_rate"], told["gated_jobs"], told["trips"]) == ("open", 60.0, 3, 1)
        assert told["evidence"]["sample_job_ids"] == [7, 8]
        assert set(told["commands"]) == {"open", "close", "half-open", "reset"}
        words = shop.run("circuits", "show", NAME).stdout
        assert "too large a share of its runs failed: 6 of 10 failed" in words
        assert "6x ConnectionRefusedError: down" in words
        assert "it lets 3 probes through in" in words
        assert "tidegate circuits half-open" in words
        [email] = [queue for queue in shop.json("queues", "list") if queue["queue"] == "email"]
        assert (email["ready"], email["gated"]) == (4, 3)

    def test_an_unknown_name_is_not_found_with_the_nearest_one(self, shop: Shop) -> None:
        for command in ("show", "history", "open", "close", "half-open", "reset"):
            code, words = refused(shop, command, "shopjobs:gret")
            assert code == 3
            assert "there is no circuit 'shopjobs:gret'; did you mean 'shopjobs:greet'?" in words

    def test_one_that_never_moved_says_so(self, shop: Shop) -> None:
        assert show(shop)["why"] == "it has never moved"
        assert shop.json("circuits", "history", NAME) == []

    def test_one_whose_jobs_no_longer_exist_can_still_be_seen_and_reset(self, shop: Shop) -> None:
        shop.execute("INSERT INTO tidegate.circuits (name, state, gates) VALUES ('gone', 'open', true)")
        assert show(shop, "gone")["state"] == "open"
        assert shop.json("circuits", "reset", "gone")["state"] == "closed"


class TestMoving:
    def test_each_command_moves_it_and_leaves_who_and_why(self, shop: Shop) -> None:
        moves = [("open", "forced_open"), ("half-open", "half_open"), ("close", "forced_closed"), ("reset", "closed")]
        for command, state in moves:
            told = shop.json("circuits", command, NAME, "--reason", f"to {state}", "--actor", "ana")
            assert (told["state"], told["actor"], told["note"]) == (state, "ana", f"to {state}")
        past = shop.json("circuits", "history", NAME)
        assert [(event["to"], event["actor"], event["note"]) for event in past] == [
            (state, "ana", f"to {state}") for _, state in reversed(moves)
        ]
        assert len(shop.json("circuits", "history", NAME, "--limit", "2")) == 2
        assert "ana" in shop.run("circuits", "history", NAME).stdout

    def test_who_is_said_even_where_nobody_says(self, shop: Shop) -> None:
        assert "@" in shop.json("circuits", "open", NAME)["actor"]

    @pytest.mark.parametrize("command", ["open", "close"])
    def test_an_end_is_on_the_databases_clock(self, shop: Shop, command: str) -> None:
        shop.run("circuits", command, NAME, "--for", "2h")
        [row] = shop.rows("SELECT extract(epoch FROM until - clock_timestamp())::float8 AS left FROM tidegate.circuits")
        assert 7_100 < row["left"] <= 7_200

    @pytest.mark.parametrize("span", ["0", "-5", "1000d", "soon"])
    def test_an_end_that_cannot_be_is_refused(self, shop: Shop, span: str) -> None:
        code, words = refused(shop, "open", NAME, "--for", span)
        assert code == 2
        assert re.search("^error: ", words, re.MULTILINE)  # on a slow machine progress is told before
        assert shop.rows("SELECT * FROM tidegate.circuits") == []

    def test_words_tell_what_it_came_to_and_how_to_undo_it(self, shop: Shop) -> None:
        shop.insert()
        words = shop.run("circuits", "open", NAME).stderr
        assert "circuit shopjobs:greet is forced open: it stays open until somebody closes it" in words
        assert "undo: tidegate circuits reset shopjobs:greet" in words
        assert "1 job behind it" in shop.run("circuits", "open", NAME, "--for", "5m").stderr

    def test_moving_it_tells_the_nodes(self, shop: Shop) -> None:
        import psycopg

        with psycopg.connect(shop.database, autocommit=True) as listening:
            listening.execute("LISTEN tidegate_circuit")
            shop.run("circuits", "open", NAME)
            [told] = list(listening.notifies(timeout=60, stop_after=1))
        assert json.loads(told.payload)["state"] == "forced_open"


class TestExplaining:
    def test_a_gated_job_names_the_circuit_and_its_next_probe(self, shop: Shop) -> None:
        node(shop, "n1", queues={"email": {"alive": 2, "busy": 0, "min": 1, "max": 5, "target": 2}})
        shop.execute("INSERT INTO tidegate.kinds (kind, seen_at) VALUES (%s, now())", NAME)
        job = shop.insert()
        shop.run("circuits", "open", NAME, "--for", "2m", "--actor", "ana", "--reason", "maintenance")
        reasons = shop.json("jobs", "explain", str(job))["reasons"]
        assert [why["reason"] for why in reasons] == ["circuit_open"]
        assert "it was done by hand by ana (maintenance); it lets 3 probes through in 1" in reasons[0]["text"]
        assert reasons[0]["command"] == f"tidegate circuits show {NAME}"
        [why] = [why for why in shop.json("queues", "explain", "email")["reasons"] if why["reason"] == "circuit_open"]
        assert why["text"].startswith("1 ready job of it waits: ")

    @pytest.mark.parametrize(("command", "reason"), [("half-open", "circuit_half_open"), ("close", "next"), ("reset", "next")])
    def test_so_is_one_whose_circuit_is_in_another_state(self, shop: Shop, command: str, reason: str) -> None:
        node(shop, "n1", queues={"email": {"alive": 2, "busy": 0, "min": 1, "max": 5, "target": 2}})
        shop.execute("INSERT INTO tidegate.kinds (kind, seen_at) VALUES (%s, now())", NAME)
        job = shop.insert()
        shop.run("circuits", command, NAME)
        assert [why["reason"] for why in shop.json("jobs", "explain", str(job))["reasons"]] == [reason]

    def test_so_is_one_whose_circuit_lets_jobs_through_by_and_by(self, shop: Shop) -> None:
        node(shop, "n1", queues={"email": {"alive": 2, "busy": 0, "min": 1, "max": 5, "target": 2}})
        shop.execute("INSERT INTO tidegate.kinds (kind, seen_at) VALUES (%s, now())", NAME)
        job = shop.insert()
        shop.run("circuits", "open", NAME)
        shop.run("circuits", "reset", NAME)
        [why] = shop.json("jobs", "explain", str(job))["reasons"]
        assert why["reason"] == "circuit_ramp"
        assert why["text"].startswith(f"circuit {NAME} has closed: ")


def test_queues_are_shown_where_the_circuits_cannot_be_read(bare_shop: Shop) -> None:
    bare_shop.insert()
    bare_shop.execute("DROP TABLE tidegate.circuits")
    assert bare_shop.json("queues", "list")[0]["gated"] == 0
    assert bare_shop.run("circuits", "list").exit_code == 7


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("circuits: {stmp: {failure_rate: 20}}", "queues.yaml:9: circuits.stmp: no job has this circuit"),
        ("circuits: {}", None),
    ],
)
def test_a_check_of_the_configuration_finds_a_circuit_that_no_job_has(shop: Shop, lines: str, says: str | None) -> None:
    with (shop.folder / "queues.yaml").open("a") as config:
        config.write(lines + "\n")
    result = shop.run("config", "check")
    assert result.exit_code == (0 if says is None else 2)
    assert says is None or says in result.stderr
