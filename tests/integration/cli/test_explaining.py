"""`jobs explain` and `queues explain`: each reason is made true once, on a real database, and read back."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.shop import Shop
from tests.integration.cli.test_reading import finish, node
from tidegate.introspection import JobFacts, QueueFacts, why_job, why_queue


def knows(shop: Shop, kind: str = "shopjobs:greet", *, ago: float = 0) -> None:
    shop.execute("INSERT INTO tidegate.kinds (kind, seen_at) VALUES (%s, clock_timestamp() - %s * interval '1 s')", kind, ago)


def serving(shop: Shop, busy: int = 1, alive: int = 2, **status: object) -> None:
    pool = {"alive": alive, "busy": busy, "target": alive, "min": 1, "max": 2}
    node(shop, "n1", queues={"email": pool}, **status)


def reasons(shop: Shop, *words: str) -> list[str]:
    return [why["reason"] for why in shop.json(*words)["reasons"]]


def test_nothing_stands_in_the_way_of_a_ready_job(shop: Shop) -> None:
    serving(shop)
    knows(shop)
    job = shop.insert()
    assert reasons(shop, "jobs", "explain", str(job)) == ["next"]


def test_a_paused_queue_is_named_with_the_command_that_resumes_it(shop: Shop) -> None:
    serving(shop)
    knows(shop)
    job = shop.insert()
    shop.run("queues", "pause", "email")
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert (why["reason"], why["command"]) == ("paused", "tidegate queues resume email")
    shop.run(*why["command"].split()[1:])
    assert reasons(shop, "jobs", "explain", str(job)) == ["next"]


def test_a_queue_that_no_live_node_serves(shop: Shop) -> None:
    job = shop.insert()
    node(shop, "gone", lease=-1)
    assert reasons(shop, "jobs", "explain", str(job)) == ["no_node"]


@pytest.mark.parametrize("ago", [None, 61])
def test_a_kind_that_no_live_node_knows(shop: Shop, ago: float | None) -> None:
    serving(shop)
    if ago is not None:
        knows(shop, ago=ago)
    job = shop.insert()
    assert reasons(shop, "jobs", "explain", str(job)) == ["unknown_kind"]


def test_a_job_that_is_not_due_yet_and_one_that_failed_before(shop: Shop) -> None:
    serving(shop)
    knows(shop)
    job = shop.insert(state="scheduled", run_at="2999-01-01", attempt=1, lease=1)
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert (why["reason"], why["command"]) == ("not_due", f"tidegate jobs retry {job}")
    assert "attempt 1 failed" in why["text"]
    shop.execute("UPDATE tidegate.jobs SET run_at = now() - interval '5 s'")
    assert reasons(shop, "jobs", "explain", str(job)) == ["promotion"]


def test_jobs_ahead_are_counted_by_claim_order_with_the_time_they_take(shop: Shop) -> None:
    serving(shop)
    knows(shop)
    for seq in range(2, 5):
        shop.insert(seq=seq)
    job = shop.insert(seq=9)
    shop.insert(seq=1, priority=5)
    shop.insert(seq=1, queue="other")
    finish(shop, shop.insert(seq=1))
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert why["reason"] == "jobs_ahead"
    assert why["text"].startswith("3 jobs are before it in queue email: about")


def test_a_pool_that_is_busy_or_empty(shop: Shop) -> None:
    serving(shop, busy=2)
    knows(shop)
    job = shop.insert()
    assert reasons(shop, "jobs", "explain", str(job)) == ["pool_busy"]
    shop.execute("DELETE FROM tidegate.nodes")
    serving(shop, busy=0, alive=0)
    assert reasons(shop, "jobs", "explain", str(job)) == ["pool_empty"]


@pytest.mark.parametrize(
    ("sized", "says", "command"),
    [
        ("override", "no consumer at the moment; it was said by hand", "tidegate scale email auto"),
        ("memory", "and the memory of the host allows no more", "give the host more memory, run a node on another one, or make"),
        ("base", "no consumer at the moment", None),
    ],
)
def test_a_pool_says_why_it_is_no_larger_in_the_words_of_the_node_that_sized_it(
    shop: Shop, sized: str, says: str, command: str | None
) -> None:
    knows(shop)
    node(shop, "n1", queues={"email": {"alive": 0, "busy": 0, "target": 0, "min": 0, "max": 2, "reason": sized}})
    job = shop.insert()
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert why["reason"] == "pool_empty"
    assert why["text"].endswith(says)
    assert (why["command"] or "").startswith(command or "")
    assert (why["command"] is None) == (command is None)


def test_a_busy_pool_that_could_be_larger_says_what_keeps_it(shop: Shop) -> None:
    knows(shop)
    node(shop, "n1", queues={"email": {"alive": 1, "busy": 1, "target": 1, "min": 0, "max": 2, "reason": "override"}})
    job = shop.insert()
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert (why["reason"], why["command"]) == ("pool_busy", "tidegate scale email auto")
    assert why["text"] == "the only consumer of queue email is busy (of at most 2; it was said by hand)"


def test_nodes_that_stop_and_queues_that_are_broken(shop: Shop) -> None:
    knows(shop)
    job = shop.insert()
    serving(shop, draining=True, broken=["email"])
    assert reasons(shop, "jobs", "explain", str(job)) == ["broken", "draining"]


def test_nodes_that_miss_their_heartbeats_and_nodes_whose_loop_is_blocked(shop: Shop) -> None:
    knows(shop)
    job = shop.insert()
    serving(shop)
    shop.execute(
        "UPDATE tidegate.nodes SET beat_at = clock_timestamp() - interval '25 s', expires = clock_timestamp() + interval '5 s'"
    )
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert (why["reason"], why["command"]) == ("database_trouble", "tidegate doctor")
    assert "the last one came 25." in why["text"]
    shop.execute("UPDATE tidegate.nodes SET beat_at = clock_timestamp(), said_at = clock_timestamp() - interval '1 minute'")
    [why] = shop.json("jobs", "explain", str(job))["reasons"]
    assert (why["reason"], why["command"]) == ("loop_blocked", "tidegate workers stacks n1")
    node(shop, "n2")
    assert reasons(shop, "jobs", "explain", str(job)) == ["next"]


def test_a_running_job_and_what_its_node_may_be(shop: Shop) -> None:
    serving(shop)
    job = shop.insert(state="running", node="n1", claimed_at="2026-01-01", lease=1, attempt=1)
    assert reasons(shop, "jobs", "explain", str(job)) == ["running"]
    shop.execute("UPDATE tidegate.jobs SET cancel_requested = true")
    assert reasons(shop, "jobs", "explain", str(job)) == ["running", "cancelling"]
    shop.execute("UPDATE tidegate.nodes SET expires = now() - interval '1 s'")
    assert reasons(shop, "jobs", "explain", str(job)) == ["node_silent", "cancelling"]
    shop.execute("UPDATE tidegate.nodes SET dead = true")
    assert reasons(shop, "jobs", "explain", str(job)) == ["node_lost", "cancelling"]


def test_a_job_that_is_over_says_so(shop: Shop) -> None:
    job = shop.insert()
    finish(shop, job)
    assert reasons(shop, "jobs", "explain", str(job)) == ["over"]
    assert shop.run("jobs", "explain", "999").exit_code == 3


def test_several_reasons_are_numbered_for_people(shop: Shop) -> None:
    job = shop.insert()
    shop.run("queues", "pause", "email")
    told = shop.run("jobs", "explain", str(job))
    assert told.stdout.splitlines() == [
        f"job {job} of queue email is ready:",
        "  1. queue email is paused",
        "     -> tidegate queues resume email",
        "  2. no live node serves queue email",
        "     -> tidegate up --queues email",
    ]


def test_a_queue_that_does_not_move(shop: Shop) -> None:
    assert reasons(shop, "queues", "explain", "email") == ["empty"]
    shop.insert(state="scheduled", run_at="2999-01-01")
    serving(shop, busy=2)
    assert reasons(shop, "queues", "explain", "email") == ["not_due"]
    shop.insert()
    assert reasons(shop, "queues", "explain", "email") == ["pool_busy"]
    shop.execute("DELETE FROM tidegate.nodes")
    serving(shop)
    assert reasons(shop, "queues", "explain", "email") == ["moving"]
    shop.run("queues", "pause", "email")
    assert "queue email is paused" in shop.run("queues", "explain", "email").stdout
    assert shop.run("queues", "explain", "nothing").exit_code == 3
    assert json.loads(shop.run("queues", "explain", "email", "--json").stdout)["queue"] == "email"


def facts(**changes: object) -> JobFacts:
    queue = QueueFacts("email", paused=False, nodes=(), ready=0, scheduled=0, running=0)
    known: dict[str, object] = {
        "id": 1, "kind": "k", "state": "ready", "attempt": 0, "node": None, "node_alive": False, "node_expires_in": None,
        "cancel_requested": False, "due_in": 0.0, "running_for": None, "kind_seen_ago": 0.0, "ahead": 0, "rate": 0.0, "queue": queue,
    }  # fmt: skip
    return JobFacts(**{**known, **changes})  # type: ignore[arg-type]


def test_a_long_line_and_a_still_one_are_told_as_such() -> None:
    [_, far] = why_job(facts(ahead=10_001, rate=2.0))
    assert far.text == "more than 10,000 jobs are before it in queue email: about 83 min at 2 jobs/s"
    [_, one] = why_job(facts(ahead=1))
    assert one.text == "1 job is before it in queue email: none has ended lately"
    [_, long] = why_job(facts(ahead=10_001, rate=0.01))
    assert "277.8 h" in long.text
    assert [why.reason for why in why_queue(QueueFacts("q", False, (), 1, 0, 0))] == ["no_node"]
