"""examples/shop/place_order.py, run as its reader would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.store.connection import connect

ROOT = Path(__file__).parents[3]


@pytest.fixture
def python(database):
    def run(*arguments):
        environment = {**os.environ, "TIDEGATE_DATABASE": database, "PYTHONPATH": "examples/shop"}
        return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def rows(database, query):
    with connect(database) as connection:
        return connection.execute(query).fetchall()


def test_an_order_and_its_receipt_are_stored_together(python, database):
    placed = json.loads(python("examples/shop/place_order.py").stdout)
    assert [str(order) for (order,) in rows(database, "SELECT id FROM example_orders")] == [placed["order"]]
    assert rows(database, "SELECT id, kind FROM tidegate.jobs") == [(placed["job"], "tidegate.demo.jobs:send_receipt")]


def test_an_order_whose_receipt_is_refused_is_not_stored(python, database):
    python("examples/shop/place_order.py")
    refused = python("-c", "from place_order import place_order; place_order(2, 49.90)")  # a float is no Decimal
    assert "InvalidArguments" in refused.stderr
    assert len(rows(database, "SELECT id FROM example_orders")) == 1
    assert len(rows(database, "SELECT id FROM tidegate.jobs")) == 1
