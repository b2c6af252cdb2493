"""Cancel, retry, pause, purge: what they change, whom they tell, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.integration.cli.shop import Shop
from tests.integration.cli.test_reading import bury, finish
from tidegate.introspection import NoPartition, Operator
from tidegate.store.connection import connect


@contextmanager
def listening(shop: Shop) -> Iterator[list[dict[str, Any]]]:
    """Collect what the nodes are told."""
    told: list[dict[str, Any]] = []
    with psycopg.connect(shop.database, autocommit=True) as connection:
        connection.execute("LISTEN tidegate")
        yield told
        connection.execute("SELECT 1")
        told += [json.loads(each.payload) for each in connection.notifies(timeout=0.2)]


def running(shop: Shop) -> int:
    return shop.insert(state="running", node="n1", lease=1, attempt=1, claimed_at="now")


class TestCancel:
    @pytest.mark.parametrize("state", ["ready", "scheduled"])
    def test_a_waiting_job_is_cancelled_at_once_and_kept_in_the_history(self, shop: Shop, state: str) -> None:
        job_id = shop.insert(state=state)
        ran = shop.run("jobs", "cancel", str(job_id))
        assert (ran.exit_code, ran.stderr) == (0, f"job {job_id} is cancelled in queue email\n")
        told = shop.json("jobs", "show", str(job_id))
        assert (told["state"], told["attempts"], told["kwargs"]) == ("cancelled", [], {"name": "Ada"})
        assert told["error"] == {"type": "Cancelled", "message": "cancelled by hand"}

    def test_a_running_job_is_asked_to_end_and_its_node_is_told(self, shop: Shop) -> None:
        first, second = running(shop), running(shop)
        with listening(shop) as told:
            ran = shop.run("jobs", "cancel", str(first), str(second))
        assert ran.exit_code == 0
        assert f"job {first} is running in queue email: it was asked to end" in ran.stderr
        assert told == [{"queue": "email", "cancel": [first, second]}]
        assert shop.json("jobs", "show", str(first))["cancel_requested"] is True
        assert shop.state(first) == "running"

    def test_each_job_is_judged_for_itself_and_told_as_json(self, shop: Shop) -> None:
        ready, runs = shop.insert(), running(shop)
        told = shop.json("jobs", "cancel", str(runs), str(ready), str(ready))
        assert told == [
            {"id": runs, "queue": "email", "state": "running", "cancel_requested": True},
            {"id": ready, "queue": "email", "state": "cancelled", "cancel_requested": False},
        ]

    def test_a_job_that_is_over_is_refused_and_the_others_are_cancelled(self, shop: Shop) -> None:
        over, ready = shop.insert(), shop.insert()
        finish(shop, over)
        ran = shop.run("jobs", "cancel", str(over), str(ready))
        assert ran.exit_code == 4
        assert f"error: these were over already: {over} (completed)" in ran.stderr
        assert shop.state(ready) == "cancelled"

    def test_cancelling_twice_is_no_error(self, shop: Shop) -> None:
        job_id = shop.insert()
        assert [shop.run("jobs", "cancel", str(job_id)).exit_code for _ in range(2)] == [0, 0]

    def test_jobs_that_there_are_not_are_not_found(self, shop: Shop) -> None:
        ran = shop.run("jobs", "cancel", "900001", "900002")
        assert ran.exit_code == 3
        assert "error: there are no jobs 900001, 900002" in ran.stderr

    def test_a_job_that_somebody_holds_is_waited_for(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        job_id = shop.insert()
        with psycopg.connect(shop.database) as other, connect(shop.database) as connection:
            other.execute("SELECT FROM tidegate.jobs WHERE id = %s FOR UPDATE", (job_id,))
            monkeypatch.setattr("time.sleep", lambda _: other.rollback())
            [cancelled] = Operator(connection).cancel([job_id])
        assert cancelled.state == "cancelled"

    def test_a_job_that_is_held_for_too_long_is_said_to_be(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tidegate.introspection.interventions.PAUSE", 0.001)
        job_id = shop.insert()
        with psycopg.connect(shop.database) as other:
            other.execute("SELECT FROM tidegate.jobs WHERE id = %s FOR UPDATE", (job_id,))
            ran = shop.run("jobs", "cancel", str(job_id))
        assert ran.exit_code == 4
        assert f"somebody else is changing job {job_id} at this moment" in ran.stderr

    def test_a_thousand_at_once(self, shop: Shop) -> None:
        ids = [running(shop), *(shop.insert() for _ in range(3))]
        shop.execute(
            "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq, node, lease, claimed_at)"
            " SELECT 'email', 'k', '{}', now(), 'running', n, 'n1', 1, now() FROM generate_series(1, 1000) AS n"
        )
        ids = [row["id"] for row in shop.rows("SELECT id FROM tidegate.jobs")]
        with listening(shop) as told, connect(shop.database) as connection:
            assert all(each.done for each in Operator(connection).cancel(ids))
        assert sum(len(each["cancel"]) for each in told) == 1001

    def test_a_database_without_room_for_today_gets_it(self, bare_shop: Shop) -> None:
        job_id = bare_shop.insert()
        with connect(bare_shop.database) as connection, pytest.raises(NoPartition, match="no partition of relation"):
            Operator(connection).cancel([job_id])
        assert bare_shop.run("jobs", "cancel", str(job_id)).exit_code == 0
        assert bare_shop.state(job_id) == "cancelled"


class TestRetry:
    def test_a_scheduled_job_is_made_ready_now_and_its_place_told(self, shop: Shop) -> None:
        job_id = shop.insert(state="scheduled", attempt=1, lease=1, run_at="2100-01-01", priority=5)
        with listening(shop) as told:
            ran = shop.run("jobs", "retry", str(job_id))
        assert (ran.exit_code, ran.stderr) == (0, f"job {job_id} is ready now, in queue email\n")
        [row] = shop.rows("SELECT state, seq, attempt, lease, run_at <= now() AS due FROM tidegate.jobs WHERE id = %s", job_id)
        assert (row["state"], row["attempt"], row["lease"], row["due"]) == ("ready", 1, 1, True)
        assert told == [{"queue": "email", "ready": {"5": row["seq"]}}]

    def test_a_dead_job_becomes_a_new_one_whose_lease_goes_on(self, shop: Shop) -> None:
        job_id = shop.insert(meta='{"a": 1}', max_attempts=4, priority=-3)
        bury(shop, job_id, lease=6, attempt=3)
        with listening(shop) as told:
            answer = shop.json("jobs", "retry", str(job_id))
        new = answer["id"]
        assert answer == {"id": new, "queue": "email", "retry_of": job_id}
        [row] = shop.rows("SELECT * FROM tidegate.jobs WHERE id = %s", new)
        assert (row["state"], row["attempt"], row["lease"], row["max_attempts"], row["priority"]) == ("ready", 0, 6, None, -3)
        assert row["args"] == {"kwargs": {"name": "Ada"}}
        assert told == [{"queue": "email", "ready": {"-3": row["seq"]}}]
        assert shop.json("jobs", "show", str(job_id))["retried_as"] == new
        assert shop.json("queues", "show", "email")["dead"] == 0

    def test_a_dead_job_is_retried_once(self, shop: Shop) -> None:
        job_id = shop.insert()
        bury(shop, job_id)
        new = shop.run("jobs", "retry", str(job_id)).stdout.strip()
        ran = shop.run("jobs", "retry", str(job_id))
        assert ran.exit_code == 4
        assert f"job {job_id} was retried already, as job {new}" in ran.stderr

    def test_a_completed_job_runs_again_only_where_that_is_said(self, shop: Shop) -> None:
        job_id = shop.insert()
        finish(shop, job_id)
        refused = shop.run("jobs", "retry", str(job_id))
        assert refused.exit_code == 4
        assert (
            refused.stderr
            == f"error: job {job_id} is completed\n\nhint: to run it once more: tidegate jobs retry {job_id} --again\n"
        )
        new = shop.json("jobs", "retry", str(job_id), "--again")["id"]
        assert (shop.state(job_id), shop.state(new)) == ("completed", "ready")

    def test_a_cancelled_job_becomes_a_new_one(self, shop: Shop) -> None:
        job_id = shop.insert()
        shop.run("jobs", "cancel", str(job_id))
        assert shop.state(shop.json("jobs", "retry", str(job_id))["id"]) == "ready"

    def test_ready_and_running_jobs_are_refused(self, shop: Shop) -> None:
        ready, runs = shop.insert(), running(shop)
        assert "is ready already" in (first := shop.run("jobs", "retry", str(ready))).stderr
        assert "is running" in (second := shop.run("jobs", "retry", str(runs))).stderr
        assert (first.exit_code, second.exit_code) == (4, 4)


class TestPause:
    def test_a_queue_is_paused_and_resumed_and_the_nodes_are_told(self, shop: Shop) -> None:
        with listening(shop) as told:
            paused = shop.run("queues", "pause", "email", "ml")
            assert shop.json("queues", "show", "ml")["paused"] is True
            resumed = shop.run("queues", "resume", "email", "ml")
        assert "undo: tidegate queues resume email ml" in paused.stderr
        assert "queue email is resumed: 0 jobs ready, 0 jobs running" in resumed.stderr
        assert told == [{"queue": queue, "controls": True} for queue in ("email", "ml", "email", "ml")]
        assert shop.json("queues", "show", "ml")["paused"] is False

    def test_an_unknown_name_among_them_changes_nothing(self, shop: Shop) -> None:
        ran = shop.run("queues", "pause", "email", "emial")
        assert ran.exit_code == 3
        assert "there is no queue 'emial'; did you mean 'email'?" in ran.stderr
        assert shop.json("queues", "show", "email")["paused"] is False

    def test_the_answer_is_json_where_that_is_asked_for(self, shop: Shop) -> None:
        assert [view["paused"] for view in shop.json("queues", "pause", "email")] == [True]


class TestPurge:
    def test_what_waits_is_cancelled_and_what_runs_goes_on(self, shop: Shop) -> None:
        ready, scheduled, runs, other = shop.insert(), shop.insert(state="scheduled"), running(shop), shop.insert(queue="ml")
        assert shop.json("queues", "purge", "email", "--yes") == {"queue": "email", "purged": 2}
        assert [shop.state(each) for each in (ready, scheduled, runs, other)] == ["cancelled", "cancelled", "running", "ready"]
        assert shop.json("jobs", "show", str(ready))["error"]["message"] == "purged by hand"

    def test_many_go_in_batches(self, shop: Shop) -> None:
        shop.execute(
            "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq)"
            " SELECT 'email', 'k', '{}', now(), 'ready', n FROM generate_series(1, 12000) AS n"
        )
        seen: list[int] = []
        with connect(shop.database) as connection:
            assert Operator(connection).purge("email", on_progress=seen.append) == 12_000
        assert seen == [5_000, 10_000, 12_000]

    def test_jobs_that_come_while_it_purges_stay(self, shop: Shop) -> None:
        shop.insert()
        with connect(shop.database) as connection:
            assert Operator(connection).purge("email", on_progress=lambda _: shop.insert() and None) == 1
        assert shop.json("queues", "show", "email")["ready"] == 1

    def test_nothing_happens_without_a_yes(self, shop: Shop) -> None:
        job_id = shop.insert()
        ran = shop.run("queues", "purge", "email")
        assert ran.exit_code == 2
        assert "hint: to do it: tidegate queues purge email --yes" in ran.stderr
        assert shop.state(job_id) == "ready"

    @pytest.mark.parametrize(("typed", "code", "state"), [("email\n", 0, "cancelled"), ("ml\n", 4, "ready"), ("", 130, "ready")])
    def test_at_a_terminal_the_name_is_typed(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, state: str
    ) -> None:
        monkeypatch.setattr("tidegate.cli.queues.is_interactive", lambda: True)
        job_id = shop.insert()
        ran = shop.run("queues", "purge", "email", stdin=typed)
        assert (ran.exit_code, ran.stdout) == (code, "")
        assert "1 job of queue email will be cancelled" in ran.stderr
        assert shop.state(job_id) == state
