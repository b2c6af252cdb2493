"""The breaker of a node's own, that guards the database: who may connect, when, and what is told of it."""

import logging

import psycopg
import pytest
from tests.unit.observe.stage import Stage
from tests.unit.observe.test_metrics import scraped

from tidegate.store.reach import ROW, Reach


class Scene:
    def __init__(self):
        self.now, self.asked, self.up = 0.0, 0, False
        self.reach = Reach(clock=lambda: self.now, rng=lambda: 0.0)

    def connect(self, *, error=None):
        with self.reach.connecting():
            self.asked += 1
            if error is not None:
                raise error
            if not self.up:
                raise psycopg.OperationalError("connection refused")

    def tries(self, n):
        for _ in range(n):
            with pytest.raises(psycopg.OperationalError):
                self.connect()


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def away(scene):
    scene.tries(ROW)
    return scene


def test_after_some_failures_in_a_row_nobody_asks_the_database(scene):
    scene.tries(ROW + 20)
    assert scene.asked == ROW
    assert (scene.reach.away, scene.reach.refused) == (True, 20)


def test_a_success_between_failures_begins_the_row_anew(scene):
    for _ in range(5):
        scene.tries(ROW - 1)
        scene.up = True
        scene.connect()
        scene.up = False
    assert not scene.reach.away


def test_what_is_no_weather_says_nothing_of_the_database(scene):
    for _ in range(ROW + 1):
        with pytest.raises(psycopg.ProgrammingError):
            scene.connect(error=psycopg.ProgrammingError("no such thing"))
    assert not scene.reach.away


def test_then_it_is_tried_one_at_a_time(away):
    away.now = 0.5
    meanwhile = []

    def try_it():
        with away.reach.connecting():
            try:
                away.connect()
            except psycopg.OperationalError as refused:
                meanwhile.append(str(refused))
            raise psycopg.OperationalError("connection refused")

    with pytest.raises(psycopg.OperationalError, match="connection refused"):
        try_it()
    assert "one at a time" in meanwhile[0]
    away.tries(3)
    assert away.asked == ROW, "its time to wait began anew"


def test_a_cancelled_try_gives_its_place_to_the_next(away):
    away.now = 0.5
    with pytest.raises(KeyboardInterrupt), away.reach.connecting():
        raise KeyboardInterrupt
    away.up = True
    away.connect()
    assert not away.reach.away


def test_however_long_it_was_away_it_is_found_within_two_seconds_of_its_return(away):
    for _ in range(200):
        away.now += 0.25
        away.tries(1)
    asked = away.asked
    assert asked - ROW <= 200 * 0.25 + 2, "about one attempt a second"
    away.up, back = True, away.now
    while away.reach.away:
        away.now += 0.05
        try:
            away.connect()
        except psycopg.OperationalError:
            assert away.now < back + 2


def test_it_is_told_once_that_it_is_away_and_once_that_it_is_back(away, caplog):
    caplog.set_level(logging.WARNING, "tidegate.database")
    away.reach = Reach(clock=lambda: away.now, rng=lambda: 0.0)
    for _ in range(100):
        away.now += 0.25
        away.tries(1)
    away.up = True
    away.now += 2
    away.connect()
    away.connect()
    assert [record.message.partition(":")[0].partition(" after")[0] for record in caplog.records] == [
        "the database is away",
        "the database can be reached again",
    ]


def test_metrics_tell_of_it(away):
    stage = Stage()
    assert scraped(stage, "tidegate_database_away") == {(): 0}
    stage.reach = away.reach
    away.tries(7)
    assert scraped(stage, "tidegate_database_away") == {(): 1}
    assert scraped(stage, "tidegate_database_refused_total") == {(): 7}


def test_its_readout_is_its_state(away):
    assert repr(away.reach) == "<Reach open refused=0>"
