"""Work on dead letters: what is told in the promised shapes, and what brings them back, each once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.cli.shop import Shop, environment
from tests.integration.cli.test_reading import bury, finish
from tidegate.dead_letters import DeadLetterQueue, Redrives, Wanted
from tidegate.store.connection import connect

LETTER = {"id", "job_id", "queue", "kind", "died_at", "reason", "error", "fingerprint", "attempts"}
FORENSICS = {
    "system", "process", "queue_depths", "pools", "circuit", "recent_errors", "node", "versions", "trace_id",
}  # fmt: skip
KNOWN: dict[str, Any] = {
    "system": {
        "load": [0.5, 0.4, 0.3], "cpu_count": 2, "cpu_percent": 12.5, "memory_total": 8 * 2**30, "memory_available": 2**30,
        "container": {"memory_limit": 2**30, "memory_used": 2**29, "cpu_limit": 1.5},
    },
    "process": {"pid": 7, "rss": 50 * 2**20, "threads": 9, "open_files": 20, "uptime": 75.0},
    "queue_depths": {"email": {"scheduled": 1, "ready": 2, "running": 3}},
    "pools": {"email": {"alive": 5, "busy": 3, "target": 5}},
    "circuit": {"state": "open"},
    "recent_errors": [
        {"at": "2026-01-01T00:00:00Z", "kind": "shopjobs:fail", "type": "ValueError", "message": "no\nluck", "fingerprint": "f1" * 8}
    ],
    "node": "n1",
    "versions": {"tidegate": "0.1.0", "python": "3.11.7", "app": "4f2c"},
    "trace_id": "a" * 32,
    "settings": {"timeout": 5.0, "backoff": {"kind": "constant"}},
    "arguments": {"positional": ["user", "password"], "redact": ["shoesize"]},
    "unavailable": {},
}  # fmt: skip


def letter(shop: Shop, *, forensics: dict[str, Any] | None = KNOWN, job: dict[str, Any] | None = None, **columns: object) -> int:
    """Put a dead letter on the list and return its id."""
    more: dict[str, Any] = {"fingerprint": "a" * 16, "error_message": "no luck", "node": "n1", "attempt": 3, "lease": 3} | columns
    more["forensics"] = None if forensics is None else json.dumps(forensics)
    bury(shop, shop.insert(**(job or {})), **more)
    [row] = shop.rows("SELECT max(id) AS id FROM tidegate.dead_letters")
    return int(row["id"])


def open_letters(shop: Shop) -> list[int]:
    return [each["id"] for each in shop.json("dlq", "list", "--limit", "1000")]


def jobs_of(shop: Shop) -> dict[int, int]:
    """Return retried letters with the jobs that they became."""
    rows = shop.rows("SELECT id, retried_as FROM tidegate.dead_letters WHERE retried_as IS NOT NULL")
    return {row["id"]: row["retried_as"] for row in rows}


class TestReading:
    def test_a_list_has_the_promised_shape_the_newest_first(self, shop: Shop) -> None:
        ids = [letter(shop) for _ in range(3)]
        told = shop.json("dlq", "list")
        assert [each["id"] for each in told] == ids[::-1]
        assert set(told[0]) >= LETTER
        assert told[0]["error"] == {"type": "ValueError", "message": "no luck"}
        assert (told[0]["fingerprint"], told[0]["attempts"]) == ("a" * 16, 3)
        assert [each["id"] for each in shop.json("dlq", "list", "--limit", "1", "--after", str(ids[2]))] == [ids[1]]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--group", "b" * 16], {1}),
            (["--group", "bbbb"], {1}),
            (["--kind", "shopjobs:bill"], {2}),
            (["--queue", "ml"], {3}),
            (["--reason", "poison"], {4}),
            (["--older-than", "1h"], {5}),
            (["--newer-than", "1h"], {0, 1, 2, 3, 4, 6}),
            (["--text", "100% SURE_"], {6}),
            (["--text", "%"], {6}),
            (["--kind", "shopjobs:bill", "--queue", "ml"], set()),
            ([], {0, 1, 2, 3, 4, 5, 6}),
        ],
    )
    def test_it_shows_only_what_is_asked_for(self, shop: Shop, options: list[str], expected: set[int]) -> None:
        ids = [
            letter(shop),
            letter(shop, fingerprint="b" * 16),
            letter(shop, job={"kind": "shopjobs:bill"}),
            letter(shop, job={"queue": "ml"}),
            letter(shop, reason="poison"),
            letter(shop, died_at=datetime(2026, 1, 1, tzinfo=UTC)),
            letter(shop, error_message="I am 100% sure_"),
        ]
        assert {ids.index(each["id"]) for each in shop.json("dlq", "list", *options)} == expected

    def test_one_letter_has_the_promised_shape(self, shop: Shop) -> None:
        told = shop.json("dlq", "show", str(letter(shop)))
        assert set(told) >= LETTER - {"attempts"} | {"args", "kwargs", "attempts", "forensics", "retried_as"}
        assert set(told["forensics"]) >= FORENSICS
        assert told["attempts"][0]["error"]["message"] == "no luck"
        assert (told["retried_as"], told["retry_of"], told["kwargs"]) == (None, None, {"name": "Ada"})

    @pytest.mark.parametrize("stored", [None, "[1]"])
    def test_forensics_that_are_not_there_say_so(self, shop: Shop, stored: str | None) -> None:
        number = letter(shop, forensics=None)
        shop.execute("UPDATE tidegate.dead_letters SET forensics = %s", stored)
        told = shop.json("dlq", "show", str(number))["forensics"]
        assert set(told) >= FORENSICS
        assert told["unavailable"]["forensics"]
        assert "not known: forensics" in shop.run("dlq", "show", str(number)).stdout

    def test_people_get_an_incident_report(self, shop: Shop) -> None:
        number = letter(shop)
        letter(shop)
        told = shop.run("dlq", "show", str(number)).stdout
        for words in (
            f"DEAD LETTER {number}: shopjobs:greet",
            "ValueError: no luck",
            "attempts_exhausted: it failed as often as it may be tried",
            "application 4f2c",
            "2 open letters alike",
            "Traceback ...",
            "output of attempt 1:\n    said",
            "load 0.5 0.4 0.3 on 2 CPUs, 12.5% busy; 1 GiB of 8 GiB memory available",
            "512 MiB of 1 GiB memory used; CPUs allowed: 1.5",
            "pid 7, 50 MiB memory, 9 threads, 20 open files, up for 1m15s",
            "circuit    state open",
            "ValueError: no",
            f"tidegate dlq retry {number}",
        ):
            assert words in told

    def test_secrets_are_redacted_wherever_they_would_be_shown(self, shop: Shop) -> None:
        call = {"args": ["ada", "hunter2"], "kwargs": {"shoe_size": 44_444, "note": "hunter2 it is", "token": "t-1"}}
        number = letter(shop, job={"kind": "else:where", "args": json.dumps(call), "meta": '{"api_key": "k-99"}'})
        shop.execute('UPDATE tidegate.dead_letters SET meta = \'{"api_key": "k-99"}\'')
        told = shop.json("dlq", "show", str(number))
        assert told["args"] == ["ada", "[redacted]"]
        assert told["kwargs"] == {"shoe_size": "[redacted]", "note": "[redacted] it is", "token": "[redacted]"}
        shown = shop.run("dlq", "show", str(number)).output + json.dumps(told)
        for secret in ("hunter2", "44444", "t-1", "k-99"):
            assert secret not in shown

    def test_what_would_act_on_a_terminal_is_written_out(self, shop: Shop) -> None:
        number = letter(shop, error_message="\x1b[31mred\x07\u202e", job={"args": '{"kwargs":{"name":"\\u001b]0;title\\u0007"}}'})
        for command in (("dlq", "show", str(number)), ("dlq", "list"), ("dlq", "group")):
            assert not set(shop.run(*command).stdout) & {"\x1b", "\x07", "\u202e"}

    def test_groups_have_the_promised_shape_the_largest_first(self, shop: Shop) -> None:
        small = letter(shop, fingerprint="b" * 16, job={"kind": "shopjobs:bill", "queue": "ml"})
        large = [letter(shop) for _ in range(7)] + [letter(shop, job={"queue": "slow"})]
        first, second = shop.json("dlq", "group")
        assert first["fingerprint"] == "a" * 16
        assert (first["count"], first["kinds"], first["queues"]) == (8, ["shopjobs:greet"], ["email", "slow"])
        assert first["sample_ids"] == large[::-1][:5]
        assert first["first_seen"] <= first["last_seen"]
        assert first["error"] == {"type": "ValueError", "message": "no luck"}
        assert (second["count"], second["sample_ids"]) == (1, [small])
        assert [each["count"] for each in shop.json("dlq", "group", "--queue", "slow")] == [1]
        assert "a" * 16 in shop.run("dlq", "group").stdout

    def test_statistics_are_by_reason_queue_kind_group_and_hour(self, shop: Shop) -> None:
        letter(shop)
        letter(shop, reason="poison", job={"queue": "ml"}, died_at=datetime(2026, 1, 1, 5, 30, tzinfo=UTC))
        told = shop.json("dlq", "stats")
        assert (told["total"], told["by_reason"]) == (2, {"attempts_exhausted": 1, "poison": 1})
        assert (told["by_queue"], told["by_kind"], told["by_group"]) == (
            {"email": 1, "ml": 1},
            {"shopjobs:greet": 2},
            {"a" * 16: 2},
        )
        assert told["by_hour"][0] == {"hour": "2026-01-01T05:00:00.000000Z", "count": 1}
        shown = shop.run("dlq", "stats").stdout
        assert "2 dead letters" in shown
        assert "█" in shown

    def test_statistics_of_nothing(self, shop: Shop) -> None:
        assert shop.json("dlq", "stats")["total"] == 0
        assert shop.run("dlq", "stats").stdout.startswith("0 dead letters")

    def test_words_for_nothing(self, shop: Shop) -> None:
        assert shop.run("dlq", "list").stderr == "no dead letters\n"
        assert shop.run("dlq", "list", "--kind", "x").stderr == "no such dead letters\n"
        assert shop.run("dlq", "redrives").stderr == "no letters were retried yet\n"
        assert shop.run("dlq", "audit").stderr == "nothing was done by hand\n"


class TestRetrying:
    def test_a_retried_letter_leaves_the_list_and_is_linked(self, shop: Shop) -> None:
        number = letter(shop, job={"priority": 7, "max_attempts": 9, "meta": '{"a": 1}'}, lease=6)
        shop.execute("UPDATE tidegate.dead_letters SET max_attempts = 9, meta = '{\"a\": 1}', unique_key = 'u'")
        told = shop.json("dlq", "retry", str(number), "--why", "the gateway is back")
        [made] = told["jobs"]
        assert (told["count"], made["id"]) == (1, number)
        [job] = shop.rows("SELECT * FROM tidegate.jobs WHERE id = %s", made["job_id"])
        assert (job["state"], job["priority"], job["max_attempts"], job["lease"], job["attempt"]) == ("ready", 7, 9, 6, 0)
        assert (job["meta"], job["unique_key"], job["args"]) == ({"a": 1}, "u", {"kwargs": {"name": "Ada"}})
        assert open_letters(shop) == []
        assert shop.json("dlq", "show", str(number))["retried_as"] == made["job_id"]
        [entry] = shop.json("dlq", "audit")
        assert (entry["action"], entry["why"]) == ("dlq.retry", "the gateway is back")
        assert entry["subject"]["wanted"] == {"ids": [number]}
        assert "Ada" not in json.dumps(entry)
        assert "dlq.retry" in shop.run("dlq", "audit").stdout

    def test_a_second_death_links_back(self, shop: Shop) -> None:
        first = letter(shop)
        job_id = shop.json("dlq", "retry", str(first))["jobs"][0]["job_id"]
        bury(shop, job_id)
        [again] = shop.json("dlq", "list")
        assert shop.json("dlq", "show", str(again["id"]))["retry_of"] == first
        assert shop.json("dlq", "show", str(first))["died_again_as"] == again["id"]
        assert f"retry of   dead letter {first}" in shop.run("dlq", "show", str(again["id"])).stdout
        assert f"which died as letter {again['id']}" in shop.run("dlq", "show", str(first)).stdout

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--group", "b" * 16], {1}),
            (["--kind", "shopjobs:bill"], {2}),
            (["--from-queue", "ml"], {3}),
            (["--queue", "ml"], {3}),
            (["--reason", "poison"], {4}),
            (["--older-than", "1h"], {5}),
            (["--all"], {0, 1, 2, 3, 4, 5}),
        ],
    )
    def test_it_brings_back_what_is_chosen(self, shop: Shop, options: list[str], expected: set[int]) -> None:
        ids = [
            letter(shop),
            letter(shop, fingerprint="b" * 16),
            letter(shop, job={"kind": "shopjobs:bill"}),
            letter(shop, job={"queue": "ml"}),
            letter(shop, reason="poison"),
            letter(shop, died_at=datetime(2026, 1, 1, tzinfo=UTC)),
        ]
        assert shop.json("dlq", "retry", *options)["count"] == len(expected)
        assert {ids.index(each) for each in jobs_of(shop)} == expected

    def test_into_another_queue(self, shop: Shop) -> None:
        shop.run("dlq", "retry", str(letter(shop)), "--queue", "slow")
        assert [row["queue"] for row in shop.rows("SELECT queue FROM tidegate.jobs")] == ["slow"]

    def test_a_dry_run_shows_how_many_and_some_and_brings_none_back(self, shop: Shop) -> None:
        ids = [letter(shop) for _ in range(7)]
        told = shop.json("dlq", "retry", "--all", "--dry-run")
        assert (told["count"], [each["id"] for each in told["sample"]]) == (7, ids[::-1][:5])
        said = shop.run("dlq", "retry", "--all", "--dry-run")
        assert "7 dead letters would come back, 2 more than are shown; none did" in said.stderr
        assert len(open_letters(shop)) == 7
        assert shop.json("dlq", "redrives") == []

    def test_new_deaths_are_no_part_of_it(self, shop: Shop) -> None:
        letter(shop)
        with connect(shop.database) as connection:
            redrives = Redrives(connection)
            redrive = redrives.begin(Wanted())
            late = letter(shop)
            assert redrives.drive(redrive).done == 1
        assert open_letters(shop) == [late]

    def test_a_rate_is_kept(self, shop: Shop) -> None:
        import time

        for _ in range(8):
            letter(shop)
        started = time.monotonic()
        assert shop.json("dlq", "retry", "--all", "--rate", "10")["count"] == 8
        assert time.monotonic() - started > 0.6

    def test_canaries_that_complete_let_the_rest_follow(self, shop: Shop) -> None:
        ids = [letter(shop) for _ in range(5)]
        stop = threading.Event()

        def complete() -> None:
            while not stop.is_set():
                for job_id in list(jobs_of(shop).values())[:2]:
                    if shop.state(job_id) == "ready":
                        finish(shop, job_id)
                stop.wait(0.02)

        worker = threading.Thread(target=complete)
        worker.start()
        try:
            told = shop.json("dlq", "retry", "--all", "--canary", "2")
        finally:
            stop.set()
            worker.join()
        assert (told["state"], told["count"]) == ("done", 5)
        assert set(jobs_of(shop)) == set(ids)

    def test_a_canary_that_fails_stops_the_rest_and_says_why(self, shop: Shop) -> None:
        ids = [letter(shop) for _ in range(5)]
        stop = threading.Event()

        def fail() -> None:
            while not stop.is_set():
                for job_id in jobs_of(shop).values():
                    if shop.state(job_id) == "ready":
                        bury(shop, job_id, error_message="still no luck")
                stop.wait(0.02)

        worker = threading.Thread(target=fail)
        worker.start()
        try:
            ended = shop.run("dlq", "retry", "--all", "--canary", "1")
        finally:
            stop.set()
            worker.join()
        assert ended.exit_code == 1
        assert "did not complete: ValueError: still no luck" in ended.stderr
        assert set(jobs_of(shop)) == {ids[0]}
        [redrive] = shop.json("dlq", "redrives")
        assert (redrive["state"], redrive["done"], redrive["total"]) == ("stopped", 1, 5)
        assert shop.json("dlq", "retry", "--resume", str(redrive["id"]))["count"] == 5
        assert set(jobs_of(shop)) >= set(ids)

    def test_one_that_was_cancelled_elsewhere_stops_and_can_be_gone_on_with(self, shop: Shop) -> None:
        for _ in range(6):
            letter(shop)
        with connect(shop.database) as connection, connect(shop.database) as other:
            redrives = Redrives(connection)
            redrive = redrives.begin(Wanted(), rate=20)
            ended = redrives.drive(redrive, on_step=lambda _: Redrives(other).cancel(redrive.id) and None)
            assert (ended.state, ended.done) == ("cancelled", 1)
        assert shop.run("dlq", "cancel", str(redrive.id)).exit_code == 4
        assert shop.json("dlq", "retry", "--resume", str(redrive.id))["count"] == 6
        assert shop.run("dlq", "retry", "--resume", str(redrive.id)).exit_code == 4
        assert shop.run("dlq", "cancel", str(redrive.id)).exit_code == 4
        assert [entry["action"] for entry in shop.json("dlq", "audit")] == ["dlq.resume", "dlq.cancel", "dlq.retry"]

    def test_whoever_resumes_takes_it_over(self, shop: Shop) -> None:
        from tidegate.errors import Refused

        for _ in range(6):
            letter(shop)
        with connect(shop.database) as connection, connect(shop.database) as other:
            first, second = Redrives(connection, actor="first"), Redrives(other, actor="second")
            redrive = first.begin(Wanted(), canary=1)

            def take_over(_: object) -> None:
                if not second.show(redrive.id).said:
                    shop.execute("UPDATE tidegate.redrives SET driver = 'second', said = 'taken'")

            with pytest.raises(Refused, match="taken over by somebody else"):
                first.drive(redrive, on_canary=take_over)
            for job_id in jobs_of(shop).values():
                finish(shop, job_id)
            assert second.drive(second.resume(redrive.id)).done == 6
        assert len(jobs_of(shop)) == 6

    @pytest.mark.parametrize(
        ("command", "code", "says"),
        [
            ("dlq retry", 2, "which dead letters? none is named"),
            ("dlq discard", 2, "which dead letters? none is named"),
            ("dlq retry --all --kind x", 2, "--all and a choice are both given"),
            ("dlq retry --resume 1 --all", 2, "--resume goes on with what was chosen then"),
            ("dlq retry --all --queue nosuch", 2, "no queue named 'nosuch'"),
            ("dlq retry --all --rate 0", 2, "--rate: a rate is a number a second above 0"),
            ("dlq retry --all --canary 0", 2, "--canary: a canary is a whole number"),
            ("dlq retry 77", 3, "there is no dead letter 77"),
            ("dlq retry --group nosuch", 3, "there is no group nosuch"),
            ("dlq retry --resume 77", 3, "there is no redrive 77"),
            ("dlq show 77", 3, "there is no dead letter 77"),
            ("dlq show 9223372036854775807", 3, "there is no dead letter"),
            ("dlq redrives 77", 3, "there is no redrive 77"),
            ("dlq list --reason bored", 2, "'bored' is not one of"),
            ("dlq list --older-than soon", 2, "--older-than: expected a time"),
        ],
    )
    def test_wrong_moves_cost_one_sentence(self, shop: Shop, command: str, code: int, says: str) -> None:
        ended = shop.run(*command.split())
        assert (ended.exit_code, ended.stdout) == (code, "")
        assert says in ended.stderr

    def test_what_is_not_open_is_refused(self, shop: Shop) -> None:
        retried, discarded = letter(shop), letter(shop)
        shop.run("dlq", "retry", str(retried))
        shop.run("dlq", "discard", str(discarded))
        for number in (retried, discarded):
            assert shop.run("dlq", "retry", str(number)).exit_code == 4
            assert shop.run("dlq", "discard", str(number)).exit_code == 4
        job_id = shop.json("dlq", "show", str(discarded))["job_id"]
        refused = shop.run("jobs", "retry", str(job_id))
        assert (refused.exit_code, "was discarded" in refused.stderr) == (4, True)
        assert len(shop.rows("SELECT id FROM tidegate.jobs")) == 1

    def test_what_came_without_its_secrets_does_not_run(self, shop: Shop) -> None:
        number = letter(shop)
        shop.execute("UPDATE tidegate.dead_letters SET redacted = true, origin = 'x'")
        refused = shop.run("dlq", "retry", str(number))
        assert (refused.exit_code, "without their secrets" in refused.stderr) == (4, True)
        refused = shop.run("jobs", "retry", str(shop.json("dlq", "show", str(number))["job_id"]))
        assert (refused.exit_code, "without its secrets" in refused.stderr) == (4, True)
        assert "came from  x, without its secrets" in shop.run("dlq", "show", str(number)).stdout

    def test_a_group_that_begins_alike_needs_more_of_its_name(self, shop: Shop) -> None:
        letter(shop, fingerprint="ab" * 8)
        letter(shop, fingerprint="ac" * 8)
        refused = shop.run("dlq", "list", "--group", "a")
        assert (refused.exit_code, "beginning of several groups" in refused.stderr) == (4, True)

    @pytest.mark.parametrize("kills", [3])
    def test_killed_in_the_middle_and_gone_on_with_each_comes_back_once(self, shop: Shop, kills: int) -> None:
        for _ in range(20):
            letter(shop)
        shop.execute(
            "INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, attempt, lease, crashes, enqueued_at, run_at, reason, args,"
            " attempts) SELECT nextval('tidegate.job_id'), queue, kind, priority, attempt, lease, crashes, enqueued_at, run_at, reason,"
            " args, attempts FROM tidegate.dead_letters, generate_series(1, 149)"
        )
        words = ["dlq", "retry", "--all", "--rate", "100"]  # half a minute, so that it is in the middle whenever it is killed
        for _ in range(kills):
            process = subprocess.Popen(
                [sys.executable, "-m", "tidegate", *words],
                cwd=shop.folder,
                env=environment(TIDEGATE_DATABASE=shop.database),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            before = len(jobs_of(shop))
            shop.until(lambda before=before: len(jobs_of(shop)) > before, what="some to come back")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            [redrive] = shop.json("dlq", "redrives")
            words = ["dlq", "retry", "--resume", str(redrive["id"])]
        assert len(jobs_of(shop)) < 3_000
        shop.execute("UPDATE tidegate.redrives SET rate = NULL")
        assert shop.call(*words).returncode == 0
        made = jobs_of(shop)
        assert len(made) == len(set(made.values())) == 3_000
        assert shop.rows("SELECT count(*) AS n FROM tidegate.jobs") == [{"n": 3_000}]
        assert shop.json("dlq", "redrives")[0]["done"] == 3_000


class TestDiscarding:
    def test_a_discarded_letter_leaves_the_list_and_can_be_shown(self, shop: Shop) -> None:
        number = letter(shop)
        assert shop.json("dlq", "discard", str(number), "--why", "of no use", "--by", "ada") == {"discarded": 1}
        assert open_letters(shop) == []
        assert shop.json("dlq", "show", str(number))["discarded_at"] is not None
        [entry] = shop.json("dlq", "audit")
        assert (entry["actor"], entry["action"], entry["why"]) == ("ada", "dlq.discard", "of no use")
        assert "discarded" in shop.run("dlq", "show", str(number)).stdout

    def test_a_choice_must_be_confirmed(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        letter(shop)
        letter(shop, fingerprint="b" * 16)
        refused = shop.run("dlq", "discard", "--all")
        assert (refused.exit_code, "this discards 2 dead letters" in refused.stderr) == (2, True)
        monkeypatch.setattr("tidegate.cli.letters_reading.is_interactive", lambda: True)
        assert shop.run("dlq", "discard", "--all", stdin="n\n").exit_code == 4
        assert shop.run("dlq", "discard", "--group", "bbb", stdin="y\n").exit_code == 0
        assert shop.run("dlq", "discard", "--all", "--yes").exit_code == 0
        assert open_letters(shop) == []
        assert "1 dead letter discarded" in shop.run("dlq", "discard", str(letter(shop))).stderr

    def test_queues_count_open_letters_only(self, shop: Shop) -> None:
        first, second, _ = (letter(shop) for _ in range(3))
        shop.run("dlq", "discard", str(first))
        shop.run("dlq", "retry", str(second))
        assert shop.json("queues", "show", "email")["dead"] == 1

    def test_locked_rows_are_not_waited_for(self, shop: Shop) -> None:
        number = letter(shop)
        with psycopg.connect(shop.database) as other:
            other.execute("SELECT FROM tidegate.dead_letters FOR UPDATE")
            refused = shop.run("dlq", "discard", str(number))
            assert (refused.exit_code, "being changed by somebody else" in refused.stderr) == (4, True)
            refused = shop.run("dlq", "retry", str(number))
            assert (refused.exit_code, "did not come back" in refused.stderr) == (4, True)


class TestPlot:
    def test_it_draws_into_a_file(self, shop: Shop) -> None:
        pytest.importorskip("matplotlib")
        letter(shop)
        letter(shop, died_at=datetime(2026, 1, 1, tzinfo=UTC), fingerprint="b" * 16)
        for name in ("deaths.png", "deaths.svg"):
            ended = shop.run("dlq", "stats", "--plot", name)
            assert (ended.exit_code, f"drawn into {name}" in ended.stderr) == (0, True)
        assert (shop.folder / "deaths.png").read_bytes().startswith(b"\x89PNG")
        assert shop.run("dlq", "stats", "--plot", "deaths.doc").exit_code == 2
        assert shop.run("dlq", "stats", "--plot", "nosuch/deaths.png").exit_code == 1

    def test_without_matplotlib_it_says_how_to_have_it(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        ended = shop.run("dlq", "stats", "--plot", "deaths.png")
        assert (ended.exit_code, "pip install 'tidegate[plot]'" in ended.stderr) == (1, True)


def test_a_library_can_do_the_same(shop: Shop) -> None:
    number = letter(shop)
    with connect(shop.database) as connection:
        letters = DeadLetterQueue(connection, actor="program")
        assert [each.id for each in letters.list()] == [number]
        assert letters.group()[0].count == 1
        assert letters.discard(Wanted(ids=(number,)), on_progress=lambda _: None) == 1
        assert letters.audit.entries()[0].actor == "program"
    assert Path(shop.folder).exists()
