"""The shop's statements on a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from sqlalchemy import Engine, create_engine

from tidegate.demo import tables
from tidegate.demo.departures import Departure, departures
from tidegate.demo.findings import Counted, Models
from tidegate.store.connection import sqlalchemy_url

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def bare(database: str) -> Iterator[Engine]:
    engine = create_engine(sqlalchemy_url(database))
    yield engine
    engine.dispose()


@pytest.fixture
def engine(bare: Engine) -> Engine:
    with bare.begin() as connection:
        tables.prepare(connection)
    return bare


def departure(number=1, *, delay=0, dest="BOS"):
    return Departure(NOON + timedelta(minutes=number), "UA", number, "JFK", dest, delay)


def count(engine, flights):
    with engine.begin() as connection:
        tables.count_departures(connection, flights)


def inspected(engine, told=()):
    with engine.connect() as connection:
        return tables.inspect_departures(connection, list(told))


def route(engine, dest="BOS"):
    with engine.connect() as connection:
        columns = "departures, cancelled, late, delay_minutes"
        return tuple(connection.exec_driver_sql(f"SELECT {columns} FROM shop.routes WHERE dest = '{dest}'").one())


def test_a_route_adds_up_its_departures(engine):
    count(engine, [departure(1, delay=20), departure(2, delay=-3), departure(3, delay=None), departure(4, delay=10)])
    assert route(engine) == (4, 1, 1, 30)


def test_batches_add_to_one_another(engine):
    count(engine, [departure(1)])
    count(engine, [departure(2), departure(3, dest="SFO")])
    assert (route(engine)[0], route(engine, "SFO")[0]) == (2, 1)


def test_a_departure_that_is_told_again_counts_once(engine):
    flights = [departure(1), departure(2)]
    count(engine, flights)
    count(engine, [*flights, departure(3)])
    assert inspected(engine, flights) == Counted(counted=2, ledger=3, aggregated=3, routes=1)


def test_a_departure_that_stands_twice_in_a_batch_counts_once(engine):
    count(engine, [departure(1), departure(1)])
    assert inspected(engine).aggregated == 1


def test_what_is_rolled_back_was_not_counted(engine):
    with engine.connect() as connection:
        tables.count_departures(connection, [departure(1)])
        connection.rollback()
    assert inspected(engine, [departure(1)]) == Counted(counted=0, ledger=0, aggregated=0, routes=0)


def test_an_empty_batch_changes_nothing(engine):
    count(engine, [])
    assert inspected(engine).ledger == 0


def test_real_departures_are_counted_to_the_last(engine):
    flights = list(islice(departures(), 2_000))
    count(engine, flights)
    found = inspected(engine, flights)
    assert (found.counted, found.ledger, found.aggregated) == (2_000, 2_000, 2_000)
    assert found.routes > 100


def test_more_departures_than_fit_one_question_are_all_looked_up(engine, monkeypatch):
    monkeypatch.setattr(tables, "CHUNK", 100)
    flights = list(islice(departures(), 300))
    count(engine, flights[:250])
    assert inspected(engine, flights).counted == 250


def test_batches_that_share_departures_at_the_same_time_count_each_once(engine):
    flights = list(islice(departures(), 400))
    batches = [flights[start : start + 200] for start in (0, 100, 200)] + [flights[150:350][::-1]]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: count(engine, batch), batches * 5))
    found = inspected(engine, flights)
    assert (found.counted, found.aggregated) == (400, 400)


def test_many_may_prepare_at_the_same_time(bare):
    def prepare(_):
        with bare.begin() as connection:
            tables.prepare(connection)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare, range(8)))
    assert inspected(bare) == Counted(counted=0, ledger=0, aggregated=0, routes=0)


def test_a_model_trained_again_takes_the_place_of_the_earlier_one(engine):
    with engine.begin() as connection:
        tables.keep_model(connection, depth=3, seed=1, score=0.7, file="old")
        tables.keep_model(connection, depth=3, seed=1, score=0.8, file="new")
        tables.keep_model(connection, depth=2, seed=1, score=0.5, file="other")
        assert tables.inspect_models(connection) == Models(trained=2, best_score=0.8, best_depth=3)


def test_without_models_there_is_no_best_one(engine):
    with engine.connect() as connection:
        assert tables.inspect_models(connection) == Models(trained=0)
