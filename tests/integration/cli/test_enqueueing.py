"""`tidegate enqueue`: from words to a job, and waiting for it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.integration.cli.shop import Shop, environment


def stored(shop: Shop, job_id: int) -> object:
    [row] = shop.rows("SELECT args FROM tidegate.jobs WHERE id = %s", job_id)
    return row["args"]


class TestEnqueue:
    def test_the_answer_has_the_promised_shape(self, shop: Shop) -> None:
        told = shop.json("enqueue", "shopjobs:greet", "name=Ada")
        [row] = shop.rows("SELECT id, queue, kind, state FROM tidegate.jobs")
        assert told == {"id": row["id"], "queue": "email", "kind": "shopjobs:greet", "deduplicated": False}
        assert row["state"] == "ready"

    def test_people_get_the_id_as_data_and_the_next_step_as_words(self, shop: Shop) -> None:
        ran = shop.run("enqueue", "shopjobs:greet", "name=Ada")
        job_id = int(ran.stdout)
        assert f"enqueued in email; what becomes of it: tidegate jobs show {job_id}\n" in ran.stderr

    def test_words_are_read_by_the_annotations(self, shop: Shop) -> None:
        told = shop.json("enqueue", "shopjobs:bill", "day=2030-12-24", "total=9.90", "lines=[1, 2]", "note=null and void")
        assert stored(shop, told["id"]) == {
            "kwargs": {"day": "2030-12-24", "total": "9.90", "lines": [1, 2], "note": "null and void"},
        }

    def test_arguments_come_as_json_from_the_line_a_file_or_standard_input(self, shop: Shop) -> None:
        (shop.folder / "args.json").write_text("[2, 3]")
        by_file = shop.json("enqueue", "shopjobs:add", "--args", "@args.json")
        assert stored(shop, by_file["id"]) == {"args": [2, 3]}
        ran = shop.run("enqueue", "shopjobs:add", "--kwargs", "-", "--json", stdin='{"a": 1, "b": 2}')
        assert stored(shop, json.loads(ran.stdout)["id"]) == {"kwargs": {"a": 1, "b": 2}}

    def test_what_is_said_about_the_run_is_kept(self, shop: Shop) -> None:
        told = shop.json("enqueue", "shopjobs:greet", "name=Ada", "--queue", "ml", "--priority", "-5", "--at", "2100-01-01T00:00Z")
        [row] = shop.rows("SELECT queue, priority, state, run_at FROM tidegate.jobs WHERE id = %s", told["id"])
        assert (row["queue"], row["priority"], row["state"], row["run_at"].year) == ("ml", -5, "scheduled", 2100)
        assert told["queue"] == "ml"

    def test_a_delay_is_a_time_as_people_write_it(self, shop: Shop) -> None:
        told = shop.json("enqueue", "shopjobs:greet", "name=Ada", "--delay", "1h30m")
        [row] = shop.rows(
            "SELECT extract(epoch FROM run_at - enqueued_at)::int AS delay FROM tidegate.jobs WHERE id = %s", told["id"]
        )
        assert row["delay"] == 5400

    def test_a_function_without_job_goes_to_the_default_queue(self, shop: Shop) -> None:
        assert shop.json("enqueue", "shopjobs:add", "a=1", "b=2")["queue"] == "email"

    def test_nothing_is_enqueued_where_the_arguments_do_not_fit(self, shop: Shop) -> None:
        ran = shop.run("enqueue", "shopjobs:add", "a=1", "c=2")
        assert ran.exit_code == 2
        assert "unexpected argument 'c'" in ran.stderr
        assert "missing argument 'b'" in ran.stderr
        assert shop.rows("SELECT FROM tidegate.jobs") == []


class TestAKindThatNoNodeKnows:
    """The client library asks nothing, since it would pay for it at each job; a person at the command line is warned."""

    @pytest.fixture
    def known(self, shop: Shop) -> Callable[..., None]:
        def fleet(*kinds: str, lease: float = 60) -> None:
            shop.execute(
                "INSERT INTO tidegate.nodes (id, host, pid, version, queues, expires) "
                "VALUES ('n1', 'h', 1, '0', '{email}', clock_timestamp() + %s * interval '1 second')",
                lease,
            )
            for kind in kinds:
                shop.execute("INSERT INTO tidegate.kinds (kind, seen_at) VALUES (%s, clock_timestamp())", kind)

        return fleet

    def test_is_warned_of_and_enqueued(self, shop: Shop, known: Callable[..., None]) -> None:
        known("shopjobs:great", "shopjobs:add")
        ran = shop.run("enqueue", "shopjobs:greet", "name=Ada")
        assert ran.exit_code == 0
        assert "warning: no live node knows the kind shopjobs:greet; did you mean shopjobs:great?\n\nhint: " in ran.stderr
        assert f"tidegate jobs cancel {int(ran.stdout)}" in ran.stderr

    def test_has_no_likeness_where_none_is_close(self, shop: Shop, known: Callable[..., None]) -> None:
        known("other:thing")
        ran = shop.run("enqueue", "shopjobs:greet", "name=Ada", "--json")
        assert "warning: no live node knows the kind shopjobs:greet\n" in ran.stderr
        assert json.loads(ran.stdout)["kind"] == "shopjobs:greet"

    def test_is_no_news_where_a_node_knows_it_or_none_lives(self, shop: Shop, known: Callable[..., None]) -> None:
        assert "warning" not in shop.run("enqueue", "shopjobs:greet", "name=Ada").stderr, "nobody was ever here"
        known("shopjobs:greet")
        assert "warning" not in shop.run("enqueue", "shopjobs:greet", "name=Ada").stderr
        shop.execute("UPDATE tidegate.nodes SET expires = clock_timestamp() - interval '1 second'")
        assert "warning" not in shop.run("enqueue", "shopjobs:add", "a=1", "b=2").stderr, "nodes are away, as in a deployment"

    def test_whoever_may_not_see_it_enqueues_all_the_same(self, shop: Shop) -> None:
        shop.execute("ALTER TABLE tidegate.kinds RENAME TO kinds_away")
        try:
            ran = shop.run("enqueue", "shopjobs:greet", "name=Ada")
        finally:
            shop.execute("ALTER TABLE tidegate.kinds_away RENAME TO kinds")
        assert (ran.exit_code, int(ran.stdout) > 0) == (0, True)
        assert "error" not in ran.stderr


class TestWait:
    def test_it_ends_with_the_job_and_its_result(self, shop: Shop) -> None:
        with shop.started("up", "--metrics-port", "0") as node:
            node.says("Ctrl-C drains")
            done = shop.json("enqueue", "shopjobs:greet", "name=Ada", "--wait")
            failed = shop.run("enqueue", "shopjobs:fail", "message=boom", "--wait", "--json")
            cancelled = shop.run("enqueue", "shopjobs:call_off", "--wait")
            silent = shop.run("enqueue", "shopjobs:block", "seconds=0", "--wait")
        assert {key: done[key] for key in ("state", "result", "error")} == {
            "state": "completed",
            "result": "Good day, Ada.",
            "error": None,
        }
        told = json.loads(failed.stdout)
        assert (failed.exit_code, told["state"], told["result"]) == (1, "dead", None)
        assert told["error"] == {"type": "ValueError", "message": "boom"}
        assert cancelled.exit_code == 1
        assert "cancelled: Cancel: changed our minds" in cancelled.stderr
        assert (silent.exit_code, len(silent.stdout.splitlines())) == (0, 1), "the job's number, and no result"
        assert silent.stderr.endswith("completed, without a result\n")

    def test_it_waits_no_longer_than_the_timeout(self, shop: Shop) -> None:
        ran = shop.run("enqueue", "shopjobs:greet", "name=Ada", "--wait", "--timeout", "0.1", "--json")
        assert ran.exit_code == 124
        assert json.loads(ran.stdout)["state"] == "ready"
        assert "no live node serves email at this moment; `tidegate up` starts one" in ran.stderr

    def test_ctrl_c_ends_the_waiting_and_leaves_the_job(self, shop: Shop) -> None:
        words = [sys.executable, "-m", "tidegate", "enqueue", "shopjobs:greet", "name=Ada", "--wait"]
        process = subprocess.Popen(
            words,
            cwd=shop.folder,
            env=environment(TIDEGATE_DATABASE=shop.database),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        [row] = shop.until(lambda: shop.rows("SELECT id FROM tidegate.jobs"), what="the job")
        assert process.stderr is not None
        while "no live node" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert err.endswith("interrupted\n")
        assert int(out) == row["id"]
        assert shop.state(row["id"]) == "ready"
