import pytest
from tests.unit.observe.stage import Queue, Session, Stage

from tidegate.observe.health import QueueHealth, judge, readiness

WELL = QueueHealth("email", runs=True, connected=True)


def test_a_node_whose_queues_run_and_whose_database_answers_is_ready():
    assert judge("n", [WELL], lease_remaining=10).ready


@pytest.mark.parametrize(
    ("queues", "lease_remaining", "problem"),
    [
        ([WELL, QueueHealth("ml", runs=False)], 10, "queue ml does not run"),
        ([WELL, QueueHealth("ml", runs=True, connected=False)], 10, "the database does not answer (asked by ml)"),
        ([QueueHealth("email", runs=True, connected=True, draining=True)], 10, "the node drains: it claims nothing more"),
        ([WELL], 0, "the node's lease has run out: its heartbeats do not reach the database"),
    ],
)
def test_a_node_that_is_not_ready_says_why(queues, lease_remaining, problem):
    found = judge("n", queues, lease_remaining=lease_remaining)
    assert (found.ready, found.problems) == (False, (problem,))


def test_a_broken_queue_is_named_and_the_database_is_not_blamed():
    found = judge("n", [WELL, QueueHealth("ml", runs=False)], lease_remaining=10).as_json()
    assert found == {
        "ready": False,
        "node": "n",
        "database": "up",
        "draining": False,
        "broken": ["ml"],
        "problems": ["queue ml does not run"],
    }


def test_everything_that_is_wrong_is_said():
    queues = [QueueHealth("a", runs=False), QueueHealth("b", runs=True), QueueHealth("c", runs=True, connected=True, draining=True)]
    assert len(judge("n", queues, lease_remaining=-1).problems) == 4


def test_readiness_is_read_from_the_supervision_tree():
    stage = Stage("email", "ml")
    stage.managers["ml"] = Queue(inner=Session(connected=False))
    assert readiness(stage).problems == ("the database does not answer (asked by ml)",)


def test_a_queue_without_a_manager_does_not_run():
    stage = Stage("email", "ml")
    del stage.managers["ml"]
    assert readiness(stage).broken == ("ml",)


def test_a_queue_that_has_ended_is_not_broken_where_its_node_drains():
    stage = Stage("email", "ml")
    stage.draining = True
    del stage.managers["ml"]
    found = readiness(stage)
    assert (found.broken, found.draining, found.problems) == ((), True, ("the node drains: it claims nothing more",))


def test_a_queue_whose_session_is_restarted_does_not_run():
    stage = Stage()
    stage.managers["email"] = Queue(restarting=True)
    assert readiness(stage).broken == ("email",)
