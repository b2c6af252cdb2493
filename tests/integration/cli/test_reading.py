"""What the reading commands tell, in the shapes that are promised."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.integration.cli.shop import Shop
from tidegate.introspection import Inspector, JobFilter
from tidegate.store.connection import connect

JOB = {
    "id", "queue", "kind", "state", "priority", "attempt", "max_attempts", "enqueued_at", "run_at", "started_at", "finished_at",
}  # fmt: skip
DETAIL = JOB | {"args", "kwargs", "meta", "result", "attempts"}
ATTEMPT = {"attempt", "outcome", "started_at", "finished_at", "duration", "node", "error", "output"}
QUEUE = {
    "queue", "paused", "broken", "scheduled", "ready", "gated", "running", "dead", "oldest_ready_age", "consumers", "nodes",
}  # fmt: skip
NODE = {"node", "host", "pid", "started_at", "heartbeat_age", "version", "leader", "queues", "rss", "loop_lag"}


def finish(shop: Shop, job_id: int, state: str = "completed", **columns: object) -> None:
    """Move a job to the history, as an ack does."""
    more = {"result": '"fine"', "node": "n1", "duration": 0.5, "lease": 1, "attempt": 1} | columns
    names, marks = ", ".join(more), ", ".join(["%s"] * len(more))
    shop.execute(
        "WITH gone AS (DELETE FROM tidegate.jobs WHERE id = %s RETURNING *)"
        f" INSERT INTO tidegate.history (id, queue, kind, state, priority, enqueued_at, run_at, args, started_at, finished_at, {names})"
        f" SELECT id, queue, kind, %s, priority, enqueued_at, run_at, args, now() - interval '1 s', now(), {marks} FROM gone",
        job_id,
        state,
        *more.values(),
    )


def bury(shop: Shop, job_id: int, **columns: object) -> None:
    """Move a job to the dead letters, as an ack does."""
    attempts = json.dumps(
        [
            {
                "attempt": 1,
                "lease": 1,
                "outcome": "failed",
                "started_at": "2026-01-01T10:00:00+02:00",
                "finished_at": "2026-01-01T10:00:00.25+02:00",
                "duration": 0.25,
                "node": "n1",
                "error_type": "ValueError",
                "error_message": "no luck",
                "traceback": "Traceback ...",
                "output": "said",
            }
        ]
    )
    more = {"attempts": attempts, "reason": "attempts_exhausted", "lease": 1, "attempt": 1, "error_type": "ValueError"} | columns
    names, marks = ", ".join(more), ", ".join(["%s"] * len(more))
    shop.execute(
        "WITH gone AS (DELETE FROM tidegate.jobs WHERE id = %s RETURNING *)"
        f" INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, crashes, enqueued_at, run_at, args, {names})"
        f" SELECT id, queue, kind, priority, crashes, enqueued_at, run_at, args, {marks} FROM gone",
        job_id,
        *more.values(),
    )


def node(
    shop: Shop, name: str, *, lease: float = 30, dead: bool = False, serves: tuple[str, ...] = ("email",), **status: object
) -> None:
    shop.execute(
        "INSERT INTO tidegate.nodes (id, host, pid, version, expires, dead, queues, status)"
        " VALUES (%s, 'web1', 7, '0.1.0', clock_timestamp() + %s * interval '1 s', %s, %s, %s)",
        name,
        lease,
        dead,
        list(serves),
        json.dumps(status),
    )


class TestJobsList:
    def test_live_finished_and_dead_are_one_list_the_newest_first(self, shop: Shop) -> None:
        ids = [shop.insert() for _ in range(4)]
        later = shop.insert(state="scheduled")
        finish(shop, ids[0])
        bury(shop, ids[1])
        finish(shop, ids[3], "cancelled")
        listed = shop.json("jobs", "list")
        assert [job["id"] for job in listed] == [later, *reversed(ids)]
        assert [job["state"] for job in listed] == ["scheduled", "cancelled", "ready", "dead", "completed"]
        assert all(set(job) >= JOB for job in listed)

    def test_times_are_iso_8601_in_utc(self, shop: Shop) -> None:
        shop.insert()
        [job] = shop.json("jobs", "list")
        assert job["enqueued_at"].endswith("Z")
        assert len(job["enqueued_at"]) == len("2026-01-01T00:00:00.000000Z")
        assert (job["started_at"], job["finished_at"]) == (None, None)

    def test_a_list_goes_on_after_the_last_job_seen(self, shop: Shop) -> None:
        ids = [shop.insert() for _ in range(7)]
        bury(shop, ids[3])
        finish(shop, ids[2])
        seen: list[int] = []
        after: list[str] = []
        while page := shop.json("jobs", "list", "--limit", "3", *after):
            seen += [job["id"] for job in page]
            after = ["--after", str(page[-1]["id"])]
        assert seen == list(reversed(ids))

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--queue", "ml"], {"b", "d"}),
            (["--queue", "ml", "--queue", "slow"], {"b", "c", "d"}),
            (["--kind", "x"], {"c", "d"}),
            (["--state", "dead"], {"d"}),
            (["--state", "ready"], {"a", "b"}),
            (["--state", "ready", "--state", "completed"], {"a", "b", "c"}),
            (["--state", "ready", "--queue", "ml"], {"b"}),
            (["--kind", "nosuch"], set()),
        ],
    )
    def test_it_shows_only_what_is_asked_for(self, shop: Shop, options: list[str], expected: set[str]) -> None:
        ids = {
            shop.insert(): "a",
            shop.insert(queue="ml"): "b",
            (third := shop.insert(queue="slow", kind="x")): "c",
            (fourth := shop.insert(queue="ml", kind="x")): "d",
        }
        finish(shop, third)
        bury(shop, fourth)
        assert {ids[job["id"]] for job in shop.json("jobs", "list", *options)} == expected

    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            ({"max_attempts": 9}, 9),  # what the enqueuer said
            ({}, 5),  # @job
            ({"kind": "shopjobs:nap", "queue": "ml"}, 7),  # its queue
            ({"kind": "shopjobs:add"}, 3),  # defaults
            ({"kind": "elsewhere:job"}, None),  # not known here
            ({"queue": "undeclared", "kind": "shopjobs:add"}, None),
        ],
    )
    def test_max_attempts_is_what_a_node_would_resolve(self, shop: Shop, columns: dict[str, object], expected: int | None) -> None:
        shop.insert(**columns)
        assert shop.json("jobs", "list")[0]["max_attempts"] == expected

    def test_modules_that_do_not_import_here_do_not_stop_it(self, shop: Shop) -> None:
        (shop.folder / "queues.yaml").write_text("jobs: [nosuch_module]\nqueues: {email: {}}\n")
        shop.insert()
        assert shop.json("jobs", "list")[0]["max_attempts"] is None

    def test_people_get_a_table_and_the_way_to_older_ones(self, shop: Shop) -> None:
        first, second = shop.insert(), shop.insert(kind="evil\x1b[31m")
        ran = shop.run("jobs", "list", "--limit", "2")
        header, *rows = ran.stdout.splitlines()
        assert header.split() == ["ID", "STATE", "QUEUE", "KIND", "ATTEMPT", "ENQUEUED", "STARTED", "FINISHED"]
        assert [row.split()[0] for row in rows] == [str(second), str(first)]
        assert "evil\\x1b[31m" in rows[0]
        assert f"--after {first}" in ran.stderr

    def test_an_empty_list_is_an_empty_value_and_words_for_people(self, shop: Shop) -> None:
        assert shop.json("jobs", "list") == []
        ran = shop.run("jobs", "list")
        assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "no jobs\n")


class TestJobsShow:
    def test_a_first_try_that_went_well_is_told_from_the_history(self, shop: Shop) -> None:
        job_id = shop.insert(meta='{"trace": "00-1"}')
        finish(shop, job_id)
        told = shop.json("jobs", "show", str(job_id))
        assert set(told) >= DETAIL
        assert (told["args"], told["kwargs"], told["result"]) == ([], {"name": "Ada"}, "fine")
        [attempt] = told["attempts"]
        assert set(attempt) >= ATTEMPT
        assert (attempt["attempt"], attempt["outcome"], attempt["duration"], attempt["node"]) == (1, "done", 0.5, "n1")
        assert (attempt["error"], attempt["output"]) == (None, None)
        assert attempt["finished_at"] == told["finished_at"]

    def test_attempts_that_went_otherwise_come_before_it(self, shop: Shop) -> None:
        job_id = shop.insert()
        finish(shop, job_id, lease=3, attempt=2)
        for lease, attempt, outcome, error in ((1, 1, "failed", "ValueError"), (2, 2, "released", None), (3, 2, "done", None)):
            shop.execute(
                "INSERT INTO tidegate.attempts (job_id, lease, attempt, outcome, finished_at, error_type, error_message, traceback)"
                " VALUES (%s, %s, %s, %s, now(), %s, 'no luck', 'Traceback')",
                job_id,
                lease,
                attempt,
                outcome,
                error,
            )
        attempts = shop.json("jobs", "show", str(job_id))["attempts"]
        assert [attempt["outcome"] for attempt in attempts] == ["failed", "released", "done"]
        assert attempts[0]["error"] == {"type": "ValueError", "message": "no luck", "traceback": "Traceback"}
        assert attempts[1]["error"] is None

    def test_a_dead_job_keeps_its_own_copy_of_its_attempts(self, shop: Shop) -> None:
        job_id = shop.insert()
        bury(shop, job_id)
        told = shop.json("jobs", "show", str(job_id))
        assert (told["state"], told["reason"], told["retried_as"], told["result"]) == ("dead", "attempts_exhausted", None, None)
        [attempt] = told["attempts"]
        assert attempt["started_at"] == told["started_at"] == "2026-01-01T08:00:00.000000Z"
        assert attempt["finished_at"] == "2026-01-01T08:00:00.250000Z"
        assert attempt["output"] == "said"

    def test_a_waiting_job_has_no_attempts_and_no_result(self, shop: Shop) -> None:
        told = shop.json("jobs", "show", str(shop.insert(state="scheduled")))
        assert (told["attempts"], told["result"], told["meta"]) == ([], None, {})

    @pytest.mark.parametrize("stored", ["5", '[1, "a"]', '{"args": 1}', '"text"'])
    def test_arguments_in_another_form_are_shown_as_they_are(self, shop: Shop, stored: str) -> None:
        told = shop.json("jobs", "show", str(shop.insert(args=stored)))
        assert (told["args"], told["kwargs"], told["stored"]) == (None, None, json.loads(stored))

    def test_whatever_lies_in_the_table_is_shown_as_standard_json(self, shop: Shop) -> None:
        deep = "[" * 1_000 + "]" * 1_000
        stored = '{"args": [1e400, %s, "\\u0000\\ud800\\u001b[2J"], "kwargs": {}}' % ("9" * 5_000)
        told = shop.json("jobs", "show", str(shop.insert(args=stored)))
        assert told["args"] == ["1e400", "9" * 5_000, "\0\ud800\x1b[2J"]
        assert shop.json("jobs", "show", str(shop.insert(args=deep)))["stored"] == deep

    def test_secrets_are_redacted(self, shop: Shop) -> None:
        args = {"args": ["ada", "hunter2"], "kwargs": {"shoe_size": 44, "note": "hunter2 again"}}
        job_id = shop.insert(kind="shopjobs:sign_in", args=json.dumps(args))
        finish(shop, job_id, result='{"user": "ada", "token": "t-0815"}')
        told = shop.json("jobs", "show", str(job_id))
        assert told["args"] == ["ada", "[redacted]"]
        assert told["kwargs"] == {"shoe_size": "[redacted]", "note": "[redacted] again"}
        assert told["result"] == {"user": "ada", "token": "[redacted]"}
        assert not {"hunter2", "44", "t-0815"} & set(shop.run("jobs", "show", str(job_id)).output.split('"'))

    def test_secrets_of_a_kind_that_is_not_known_here_are_told_by_their_names(self, shop: Shop) -> None:
        told = shop.json(
            "jobs",
            "show",
            str(shop.insert(kind="else:where", args='{"kwargs": {"password": "hunter2", "n": 1}}', meta='{"api_key": "k"}')),
        )
        assert (told["kwargs"], told["meta"]) == ({"password": "[redacted]", "n": 1}, {"api_key": "[redacted]"})

    def test_people_get_every_field_the_attempts_and_their_tracebacks(self, shop: Shop) -> None:
        job_id = shop.insert(args='{"args": ["\\u001b[2J"]}')
        bury(shop, job_id)
        shown = shop.run("jobs", "show", str(job_id)).stdout
        assert "state:    dead (attempts_exhausted)" in shown
        assert 'args:     ["\\u001b[2J"]' in shown
        assert "ValueError: no luck" in shown
        assert "traceback of attempt 1:\n  Traceback ..." in shown
        assert "\x1b" not in shown


class TestQueues:
    def test_declared_queues_come_first_then_whatever_has_anything(self, shop: Shop) -> None:
        shop.insert(queue="zoo")
        bury(shop, shop.insert(queue="graveyard"))
        shop.run("queues", "pause", "ml")
        node(shop, "n1", serves=("aquarium",))
        listed = shop.json("queues", "list")
        assert [queue["queue"] for queue in listed] == ["email", "slow", "ml", "aquarium", "graveyard", "zoo"]
        assert all(set(queue) >= QUEUE for queue in listed)

    def test_jobs_are_counted_where_they_are(self, shop: Shop) -> None:
        for state in ("ready", "ready", "scheduled"):
            shop.insert(state=state)
        shop.insert(state="running", node="n1", lease=1, attempt=1, claimed_at="now")
        bury(shop, shop.insert())
        bury(shop, shop.insert(), retried_as=1)
        told = shop.json("queues", "show", "email")
        assert [told[key] for key in ("ready", "scheduled", "running", "dead", "gated")] == [2, 1, 1, 1, 0]
        assert 0 <= told["oldest_ready_age"] < 60
        assert shop.json("queues", "show", "ml")["oldest_ready_age"] is None

    def test_consumers_are_summed_over_live_nodes(self, shop: Shop) -> None:
        node(shop, "n1", queues={"email": {"alive": 2, "busy": 1, "target": 3, "min": 1, "max": 5}}, broken=[])
        node(shop, "n2", queues={"email": {"alive": 4, "busy": 4, "target": 4, "min": 1, "max": 5}}, broken=["email"])
        node(shop, "n3", lease=-1, queues={"email": {"alive": 9, "busy": 9, "target": 9, "min": 9, "max": 9}})
        node(shop, "n4", dead=True, queues={"email": {"alive": 9}})
        node(shop, "n5", serves=("ml",))
        told = shop.json("queues", "show", "email")
        assert told["consumers"] == {"alive": 6, "busy": 5, "min": 2, "max": 10, "target": 7}
        assert (told["nodes"], told["broken"]) == (2, True)
        assert shop.json("queues", "show", "slow")["consumers"]["alive"] == 0

    def test_a_node_that_says_nonsense_of_itself_counts_as_one_that_said_nothing(self, shop: Shop) -> None:
        node(shop, "n1")
        shop.execute("UPDATE tidegate.nodes SET status = '[1]'")
        assert shop.json("queues", "show", "email")["nodes"] == 1
        shop.execute("""UPDATE tidegate.nodes SET status = '{"queues": {"email": {"alive": "many"}}, "broken": 3}'""")
        assert shop.json("queues", "show", "email")["consumers"]["alive"] == 0

    def test_a_long_line_is_counted_exactly_to_ten_thousand_and_estimated_beyond(self, shop: Shop) -> None:
        fill = (
            "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq)"
            " SELECT 'email', 'k', '{}', now(), 'ready', n FROM generate_series(1, %s) AS n"
        )
        shop.execute(fill, 10_000)
        assert shop.json("queues", "show", "email")["ready"] == 10_000
        shop.execute(fill, 5_000)
        shop.execute("ANALYZE tidegate.jobs")
        assert 10_001 <= shop.json("queues", "show", "email")["ready"] <= 20_000

    def test_a_list_takes_a_limit(self, shop: Shop) -> None:
        assert [queue["queue"] for queue in shop.json("queues", "list", "--limit", "2")] == ["email", "slow"]

    def test_people_get_a_table(self, shop: Shop) -> None:
        node(shop, "n1", queues={"email": {"alive": 2, "busy": 1, "target": 3, "min": 1, "max": 5}})
        shop.insert()
        shop.run("queues", "pause", "ml")
        rows = {row.split()[0]: row for row in shop.run("queues", "list").stdout.splitlines()[1:]}
        assert "1/2 of 1-5" in rows["email"]
        assert "not served" in rows["slow"]
        assert "paused" in rows["ml"]


class TestNodes:
    def test_live_nodes_are_told_in_the_promised_shape(self, shop: Shop) -> None:
        node(shop, "n1", queues={"email": {"alive": 1, "busy": 0, "target": 1, "min": 1, "max": 5}}, rss=1000)
        node(shop, "gone", lease=-1)
        shop.execute("INSERT INTO tidegate.leader (node, expires) VALUES ('n1', clock_timestamp() + interval '10 s')")
        with connect(shop.database) as connection:
            [told] = [each.as_json() for each in Inspector(connection).nodes()]
        assert set(told) >= NODE
        assert (told["node"], told["leader"], told["rss"], told["loop_lag"]) == ("n1", True, 1000, None)
        assert told["queues"]["email"]["alive"] == 1
        assert told["queues"]["email"]["jobs_processed"] is None


def test_a_question_that_takes_too_long_says_what_to_do(shop: Shop) -> None:
    from tidegate.errors import DatabaseError, DatabaseUnreachable

    with connect(shop.database) as connection, psycopg.connect(shop.database) as other:
        other.execute("LOCK TABLE tidegate.jobs IN ACCESS EXCLUSIVE MODE")
        connection.execute("SET statement_timeout = 50")
        with pytest.raises(DatabaseError, match="list the jobs: the database needed longer than a statement may take") as caught:
            Inspector(connection).jobs(JobFilter())
        assert not isinstance(caught.value, DatabaseUnreachable)
        assert "a smaller limit" in str(caught.value.hint)
