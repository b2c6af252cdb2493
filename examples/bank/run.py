"""Transfers between accounts, while the node that books them is killed again and again, with kill -9.

5 nodes were killed while they booked
400 transfers were ordered, 400 booked, none of them twice
the accounts hold 10000 together, as before, and each what its bookings say
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from bank import TABLES, transfer, transfer_at_the_counter

from tidegate import Tidegate

HERE = Path(__file__).parent
DATABASE = os.environ["DATABASE_URL"]  # one that is migrated: tidegate db migrate
ACCOUNTS, BALANCE, TRANSFERS, KILLS = 20, 500, 400, 5


def node():
    words = [sys.executable, "-m", "tidegate", "--config", str(HERE / "queues.yaml"), "up", "--metrics-port", "0", "--until-empty"]
    return subprocess.Popen(words, env={**os.environ, "TIDEGATE_DATABASE": DATABASE}, stderr=subprocess.DEVNULL)  # noqa: S603


def ask(question):
    with psycopg.connect(DATABASE, autocommit=True) as connection:
        return connection.execute(question).fetchone()


def order_transfers():
    with psycopg.connect(DATABASE) as connection:
        connection.execute(TABLES)
        connection.execute("INSERT INTO bank_accounts SELECT n, %s FROM generate_series(1, %s) AS n", [BALANCE, ACCOUNTS])
    chance = random.Random(1)
    with Tidegate.connect_sync(DATABASE, config=HERE / "queues.yaml") as tide:
        calls = []
        for number in range(TRANSFERS):
            source, target = chance.sample(range(1, ACCOUNTS + 1), 2)
            how = transfer if number % 4 else transfer_at_the_counter
            calls.append(how.call(number=number, source=source, target=target, amount=chance.randint(1, 50)))
        tide.enqueue_many(calls)


def book_under_fire():
    killed, worker = 0, node()
    while killed < KILLS:
        [booked] = ask("SELECT count(*) FROM bank_bookings")
        if booked > killed * TRANSFERS // (2 * KILLS):  # somewhere in the midst of it
            worker.kill()
            worker.wait()
            killed, worker = killed + 1, node()
        time.sleep(0.001)
    worker.wait()  # it ends when there is nothing left
    while ask("SELECT EXISTS (SELECT FROM tidegate.jobs)") == (True,):  # what the last one that was killed held
        node().wait()
    return killed


order_transfers()
print(f"{book_under_fire()} nodes were killed while they booked")
booked, different = ask("SELECT count(*), count(DISTINCT number) FROM bank_bookings")
twice = "none of them twice" if booked == different else f"{booked - different} of them again"
print(f"{TRANSFERS} transfers were ordered, {different} booked, {twice}")
[total] = ask("SELECT sum(balance) FROM bank_accounts")
[wrong] = ask(
    f"""SELECT count(*) FROM bank_accounts AS account
    WHERE balance <> {BALANCE} + (SELECT coalesce(sum(amount) FILTER (WHERE target = id), 0)
                                       - coalesce(sum(amount) FILTER (WHERE source = id), 0) FROM bank_bookings)"""  # noqa: S608
)
as_before = "as before" if total == ACCOUNTS * BALANCE else f"which is not {ACCOUNTS * BALANCE}"
print(f"the accounts hold {total} together, {as_before}, and {'each' if not wrong else 'not each'} what its bookings say")
