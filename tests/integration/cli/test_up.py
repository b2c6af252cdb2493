"""`tidegate up`, as a process: how it begins, what ends it, and with which code."""

from __future__ import annotations

import re
import signal
import socket
import urllib.request

import pytest

from tests.integration.cli.shop import Shop, Started


def begun(node: Started) -> Started:
    node.says("Ctrl-C drains")
    return node


def test_it_begins_with_what_it_is_and_serves(shop: Shop) -> None:
    with shop.started("up", "--metrics-port", "0", "--no-web", "--drain-timeout", "5") as node:
        words = begun(node).words
        assert re.search(r"^tidegate \d+\.\d+\.\d+, node \S+$", words, re.MULTILINE)
        assert re.search(r"^  database  PostgreSQL \d+\.\d+ at postgresql://", words, re.MULTILINE)
        assert re.search(r"^  queues    email  1-5 consumers, async, up to 2 jobs each$", words, re.MULTILINE)
        assert re.search(r"^            slow   2 consumers, thread$", words, re.MULTILINE)
        assert re.search(r"^            ml     1 consumer, async$", words, re.MULTILINE)
        assert "drains (up to 5 s)" in words
        address = re.search(r"^  metrics   (http://127\.0\.0\.1:\d+/metrics)$", words, re.MULTILINE)
        assert address is not None
        with urllib.request.urlopen(address[1]) as answer:
            assert b"tidegate_build_info" in answer.read()


class TestUntilEmpty:
    def test_it_does_what_there_is_and_ends_with_0(self, shop: Shop) -> None:
        jobs = [shop.json("enqueue", "shopjobs:greet", f"name={n}")["id"] for n in range(5)]
        fails = shop.json("enqueue", "shopjobs:fail")["id"]
        soon = shop.json("enqueue", "shopjobs:greet", "name=soon", "--delay", "0.5")["id"]
        ran = shop.call("up", "--until-empty", "--metrics-port", "0")
        assert ran.returncode == 0, ran.stderr
        assert {shop.state(each) for each in [*jobs, soon]} == {"completed"}
        assert shop.state(fails) == "dead"
        assert "nothing is left to do" in ran.stderr
        assert "left behind" not in ran.stderr

    def test_what_jobs_log_is_kept_with_each_attempt(self, shop: Shop) -> None:
        talks = shop.json("enqueue", "shopjobs:talk", "password=xyzzy-12345")["id"]
        threads = shop.json("enqueue", "shopjobs:talk_in_a_thread")["id"]
        silent = shop.json("enqueue", "shopjobs:greet", "name=ada")["id"]
        ran = shop.call("up", "--until-empty", "--metrics-port", "0")
        assert ran.returncode == 0, ran.stderr
        first, second = [attempt["output"] for attempt in shop.json("jobs", "show", str(talks))["attempts"]]
        for output in (first, second):
            assert "info shop: hello from a job with " in output
            assert "xyzzy" not in output
        assert f"output of attempt 1:\n  {first}" in shop.run("jobs", "show", str(talks)).stdout
        [attempt] = shop.json("jobs", "show", str(threads))["attempts"]
        assert (attempt["outcome"], attempt["output"][-20:]) == ("done", "hello from a thread\n")
        [attempt] = shop.json("jobs", "show", str(silent))["attempts"]
        assert attempt["output"] is None

    def test_it_names_what_it_leaves(self, shop: Shop) -> None:
        shop.json("queues", "pause", "ml")
        shop.insert(queue="ml", kind="shopjobs:nap", args='{"kwargs": {"seconds": 0}}')
        shop.json("enqueue", "shopjobs:greet", "name=late", "--delay", "1h")
        shop.insert(queue="slow", kind="shopjobs:block")
        shop.insert(queue="email", kind="elsewhere:job")
        ran = shop.call("up", "--until-empty", "--queues", "email,ml", "--metrics-port", "0")
        assert ran.returncode == 0, ran.stderr
        assert "left behind: email: 1 ready, 1 scheduled\n" in ran.stderr
        assert "left behind: ml: 1 ready; paused\n" in ran.stderr
        assert "left behind: slow: 1 ready; not served here\n" in ran.stderr

    def test_an_empty_database_is_migrated_and_there_is_nothing_to_do(self, shop: Shop, empty_database: str) -> None:
        fresh = Shop(shop.folder, empty_database)
        ran = fresh.call("up", "--until-empty", "--metrics-port", "0")
        assert ran.returncode == 0, ran.stderr
        assert fresh.rows("SELECT max(version) > 0 AS there FROM tidegate.migrations") == [{"there": True}]


class TestSignals:
    @pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
    def test_the_first_one_drains_and_ends_with_0(self, shop: Shop, number: int) -> None:
        job_id = shop.json("enqueue", "shopjobs:nap_until", "file=woken")["id"]
        waits = shop.insert(state="scheduled", run_at="2100-01-01")
        with shop.started("up", "--metrics-port", "0") as node:
            begun(node)
            shop.until((shop.folder / "napping").exists)
            node.signal(number)
            node.says("draining: nothing more is claimed; a second one stops now\n1 job may run on for up to ")
            (shop.folder / "woken").touch()
            assert node.ends() == 0
            assert node.words.endswith("stopped\n")
        assert (shop.state(job_id), shop.state(waits)) == ("completed", "scheduled")

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_the_second_one_stops_now(self, shop: Shop, number: int, code: int) -> None:
        job_id = shop.json("enqueue", "shopjobs:nap", "seconds=50")["id"]
        with shop.started("up", "--metrics-port", "0") as node:
            begun(node)
            shop.until(lambda: shop.state(job_id) == "running")
            node.signal(number)
            node.says("draining")
            node.signal(number)
            assert node.ends(within=45) == code
            assert "stopping now" in node.words
        assert shop.state(job_id) != "completed"

    @pytest.mark.parametrize("kind", ["shopjobs:block", "shopjobs:hog"])
    def test_a_second_one_ends_even_what_cannot_be_stopped(self, shop: Shop, kind: str) -> None:
        with shop.started("up", "--metrics-port", "0") as node:
            begun(node)
            job_id = shop.json("enqueue", kind, "seconds=50")["id"]
            shop.until(lambda: shop.state(job_id) == "running")
            node.signal(signal.SIGINT)
            node.says("draining")
            node.signal(signal.SIGINT)
            assert node.ends(within=45) == 130

    def test_ctrl_c_before_it_runs_ends_it_at_once(self, shop: Shop) -> None:
        (shop.folder / "shopjobs.py").write_text("import sys, time\nprint('importing', file=sys.stderr)\ntime.sleep(50)\n")
        with shop.started("up") as node:
            node.says("importing")
            node.signal(signal.SIGINT)
            assert node.ends(within=45) == 130
            assert node.words.endswith("interrupted\n")


class TestPorts:
    def test_a_default_port_that_is_taken_is_replaced_and_printed(self, shop: Shop) -> None:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", 9464))
                taken.listen()
                ours = True
            except OSError:  # somebody else has it, and may let go of it at any moment
                ours = False
            with shop.started("up") as node:
                begun(node)
                found = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", node.words)
                assert found is not None
                assert int(found[1]) != 9464 or not ours

    def test_a_port_given_by_hand_that_is_taken_is_an_error(self, shop: Shop) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ran = shop.call("up", "--metrics-port", str(port))
        assert ran.returncode == 1
        assert ran.stderr.endswith(
            f"error: cannot listen on 127.0.0.1:{port}: it is taken\n\nhint: choose another port; 0 takes any free one\n"
        )


def test_a_node_that_gives_up_ends_with_1(shop: Shop) -> None:
    with shop.started("up", "--metrics-port", "0") as node:
        begun(node)
        shop.execute("ALTER TABLE tidegate.nodes RENAME TO nodes_gone")
        try:
            assert node.ends() == 1
        finally:
            shop.execute("ALTER TABLE tidegate.nodes_gone RENAME TO nodes")
        assert "error: the node gave up: " in node.words
