"""What a node says when it begins and when it leaves something behind."""

from types import SimpleNamespace

from tidegate.cli.serving import banner, leftovers
from tidegate.introspection import PoolView, QueueView
from tidegate.settings import Settings
from tidegate.store.migrate import SchemaStatus


def view(queue, *, ready=0, running=0, scheduled=0, paused=False):
    return QueueView(queue, paused, False, scheduled, ready, running, 0, None, PoolView(), 1)


def test_what_is_left_is_named_with_the_reason_why():
    views = [
        view("email"),
        view("ml", ready=1200, scheduled=3, paused=True),
        view("analytics", scheduled=1),
        view("foreign", ready=2, running=1),
    ]
    assert list(leftovers(views, ["email", "ml", "analytics"])) == [
        "ml: 1,200 ready, 3 scheduled; paused",
        "analytics: 1 scheduled",
        "foreign: 2 ready, 1 running; not served here",
    ]


def test_a_node_begins_with_what_it_serves_and_where(tmp_path):
    settings = Settings(
        database="postgresql://app:secret@db.example/shop",
        queues={"email": {"consumers": {"min": 1, "max": 5}}, "ml": {"consumers": 1, "executor": "thread", "demand": {"max": 100}}},
        drain_timeout=45,
    )
    node = SimpleNamespace(
        settings=settings,
        queues=("email", "ml"),
        database=SimpleNamespace(embedded=False),
        supervisor=SimpleNamespace(node="web1-4121-0a"),
    )
    lines = list(banner(node, SchemaStatus("18.6", 1, 1), ["http://127.0.0.1:9464"]))
    assert lines == [
        "tidegate 0.1.0, node web1-4121-0a",
        "  database  PostgreSQL 18.6 at postgresql://app:***@db.example/shop, schema 1",
        "  queues    email  1-5 consumers, async",
        "            ml     1 consumer, thread, up to 100 jobs each",
        "  metrics   http://127.0.0.1:9464/metrics",
        "  Ctrl-C drains (up to 45 s); a second one stops now",
    ]
