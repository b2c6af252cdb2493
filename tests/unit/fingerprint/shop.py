# ruff: noqa: UP031, UP032, PLE0307, DTZ007, PTH123, TRY203, SIM115, F841, F821, EM103 - its bugs are meant
"""The application of the corpus: each function has one bug, or two that are told apart by their numbers."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import struct
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import wraps
from itertools import count
from typing import Any

import driverlib


class ShopError(Exception):
    pass


class InsufficientFunds(ShopError):
    def __init__(self, account: str, amount: Decimal) -> None:
        super().__init__(f"account {account} cannot pay {amount}")


class Detailed(ShopError):
    def __str__(self) -> str:
        return f"the parcel {self.args[0]} was lost in {self.args[1]}"


@dataclass
class Rejected(Exception):
    order: int
    why: str


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class NotText(Exception):
    def __str__(self) -> str:
        return 17  # type: ignore[return-value]


class Loud(Exception):
    def __str__(self) -> str:
        return "x" * self.args[0]


class Ghost(Exception):
    @property
    def __cause__(self) -> BaseException | None:
        raise RuntimeError("nobody may look")

    @__cause__.setter
    def __cause__(self, value: object) -> None:
        pass


@dataclass
class Customer:
    email: str
    phone: str


@dataclass
class Order:
    number: int
    customer: Any
    lines: Any = ()


def unknown_user(user: object) -> None:
    raise LookupError(f"user {user} not found")


def unknown_order(order: object) -> None:
    raise LookupError(f"order {order} not found")


def percent_words(name: str, city: str) -> None:
    raise ShopError("the courier %s does not drive to %s today" % (name, city))


def format_words(name: str, seats: int) -> None:
    raise ShopError("the table of {} has only {} seats left".format(name, seats))


def joined_words(path: str) -> None:
    raise ShopError("the file " + path + " is broken beyond repair")


def data_first(path: str) -> None:
    raise ShopError(f"{path}: this is not a picture that anybody could show")


def kunde(name: str) -> None:
    raise ShopError(f"Kunde „{name}“ wurde nicht gefunden")


def whole_payload(payload: object) -> None:
    raise ShopError(f"unexpected payload: {payload!r}")


def two_reasons(card: str, reason: int) -> None:
    if reason == 1:
        raise ShopError(f"card {card} has expired")
    raise ShopError(f"card {card} was reported stolen")


def funds(account: str, amount: str) -> None:
    raise InsufficientFunds(account, Decimal(amount))


def parcel(number: str, city: str) -> None:
    raise Detailed(number, city)


def rejected(order: int, why: str) -> None:
    raise Rejected(order, why)


def long_message(seed: int) -> None:
    raise ShopError(f"the report of run {seed} did not fit into its page, here it is: " + f"{seed} " * 5_000)


def many_lines(name: str) -> None:
    raise ShopError(f"the script of {name} went wrong:\n" + "\n".join(f"line {n} of {name}" for n in range(len(name) * 3)))


def bare() -> None:
    raise ShopError


def amount(text: str) -> Decimal:
    return Decimal(text)


def quantity(row: dict[str, str]) -> int:
    return int(row["quantity"])


def email_of(row: dict[str, str]) -> tuple[str, str]:
    first = row["email"]
    second = row["phone"]
    return first, second


def lookup(users: dict[str, str], user: str) -> str:
    return users[user]


def require(row: dict[str, Any], key: str) -> Any:
    return row[key]


def needs_sku(row: dict[str, Any]) -> Any:
    return require(row, "sku")


def needs_price(row: dict[str, Any]) -> Any:
    return require(row, "price")


def mail(order: Order) -> str:
    address = order.customer.email
    return f"{address} {order.customer.phone}"


def length(order: Order) -> int:
    return len(order.lines)


def average(values: list[float]) -> float:
    return sum(values) / len(values)


def ratios(a: float, b: float, c: float) -> float:
    first = a / b
    second = a / c
    return first + second


def third(values: list[Any]) -> Any:
    return values[2]


def checks(a: bool, b: bool) -> None:
    assert a
    assert b


def stock(n: int) -> None:
    assert n >= 0, f"stock fell to {n}"


def total(a: Any, b: Any) -> Any:
    return a + b


def decode(data: bytes) -> str:
    return data.decode("utf-8")


def load(text: str) -> Any:
    return json.loads(text)


def day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d")


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def unpack(data: bytes) -> Any:
    return struct.unpack("<IH", data)


def undefined() -> Any:
    return colour


def undefined_too() -> Any:
    return flavour


def missing_module(name: str) -> None:
    __import__(f"shop_plugin_{name}")


def compiled(pattern: str) -> Any:
    return re.compile(pattern)


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-c", f"raise SystemExit({len(words)})", *words], check=True)


def insert(name: str) -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE users (name TEXT UNIQUE)")
        database.execute("INSERT INTO users VALUES (?)", (name,))
        database.execute("INSERT INTO users VALUES (?)", (name,))


def call_api(host: str, port: int) -> None:
    driverlib.connect(host, port)


def sync_stock(host: str, port: int) -> None:
    call_api(host, port)


def sync_prices(host: str, port: int) -> None:
    call_api(host, port)


def fetch(url: str, code: int = 500) -> None:
    driverlib.get(url, code)


def register(email: str) -> None:
    driverlib.execute("INSERT INTO users VALUES (%s)", (email,))


def model(**fields: Any) -> Any:
    return driverlib.Model(**fields)


def in_callback(items: list[int]) -> Any:
    return driverlib.each(lambda item: 10 / item, items)


def chained_key(row: dict[str, str], number: int) -> None:
    try:
        row["address"]
    except KeyError as error:
        raise ShopError(f"cannot ship order {number}") from error


def chained(number: int, cause: str) -> None:
    try:
        if cause == "key":
            {}["address"]
        else:
            driverlib.connect(f"db-{number}.example", 5432)
    except Exception as error:
        raise ShopError(f"cannot bill order {number}") from error


def while_handling(number: int) -> None:
    try:
        unknown_order(number)
    except LookupError:
        {}["cleanup"]


def hidden(number: int) -> None:
    try:
        unknown_order(number)
    except LookupError:
        raise ShopError(f"there is nothing to send for order {number}") from None


def rethrown(user: object) -> None:
    try:
        unknown_user(user)
    except LookupError:
        raise


def raised_later(user: object) -> None:
    kept = None
    try:
        unknown_user(user)
    except LookupError as error:
        kept = error
    raise kept  # type: ignore[misc]


def patient(times: int) -> None:
    last: Exception | None = None
    for number in range(times):
        try:
            raise ShopError(f"try {number} was in vain") from last
        except ShopError as error:
            last = error
    raise ShopError("gave up") from last


def circle() -> None:
    first, second = ShopError("first"), ShopError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def walk(tree: list[Any]) -> int:
    return 1 + walk(tree[0] if tree else tree)


def ping(n: int) -> int:
    return pong(n + 1)


def pong(n: int) -> int:
    return ping(n + 1)


def deep_json(levels: int) -> str:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return json.dumps(nested)


def stubborn(n: int) -> None:
    try:
        stubborn(n + 1)
    except RecursionError:
        raise
    except Exception as error:
        raise ShopError("again") from error


def search(tree: Any, wanted: int) -> None:
    if isinstance(tree, int):
        raise ShopError(f"leaf {tree} is not the leaf {wanted}")
    for branch in tree:
        search(branch, wanted)


async def _fails(n: int) -> None:
    unknown_user(n)


async def _fails_too(n: int) -> None:
    unknown_order(n)


async def together(users: list[int], orders: list[int]) -> None:
    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(_fails(user))
        for order in orders:
            group.create_task(_fails_too(order))


def grouped(depth: int, n: int) -> None:
    try:
        unknown_user(n)
    except LookupError as error:
        kept: Exception = error
    for _ in range(depth):
        kept = ExceptionGroup("several things went wrong", [kept])
    raise kept


def crowd(n: int) -> None:
    raise ExceptionGroup(f"{n} rows are wrong", [ValueError(f"row {number}") for number in range(n)])


async def waits(seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await asyncio.sleep(60)


async def cancelled() -> None:
    raise asyncio.CancelledError


def mute() -> None:
    raise Mute


def not_text() -> None:
    raise NotText


def loud(size: int) -> None:
    raise Loud(size)


def ghost() -> None:
    raise Ghost("boo")


def strange(text: str) -> None:
    raise ShopError(f"the label {text} cannot be printed")


def leaves(code: int) -> None:
    sys.exit(code)


def stops() -> Any:
    return next(iter([]))


def generator_stops() -> Any:
    def numbers() -> Any:
        yield next(iter(()))

    return list(numbers())


def locals_that_hurt(n: int) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    broken, endless, handle = Broken(), count(), open("/dev/null")
    handle.close()
    raise ShopError(f"the press stopped at sheet {n}")


def noted(n: int) -> None:
    error = ShopError("the drawer is empty")
    error.add_note(f"note {n}")
    raise error


def timed(function: Any) -> Any:
    @wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@timed
def decorated(n: int) -> None:
    raise ShopError(f"shelf {n} is empty")


def comprehension(rows: list[dict[str, int]]) -> list[int]:
    return [row["weight"] for row in rows]


def by_lambda(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: row.weight)


def nested(n: int) -> None:
    def inner() -> None:
        raise ShopError(f"box {n} does not open")

    inner()


class Importer:
    def run(self, row: int) -> None:
        raise ShopError(f"bad row {row}")


class Exporter:
    def run(self, row: int) -> None:
        raise ShopError(f"bad row {row}")


def numbers_in_words(n: int) -> None:
    raise ShopError(f"queue q{n} of host web-{n}.eu is full")


def fail(message: str) -> None:
    raise ShopError(message)


def by_helper_print(name: str) -> None:
    fail(f"cannot print the label of {name}")


def by_helper_fold(name: str) -> None:
    fail(f"cannot fold the box of {name}")


def token(value: str) -> None:
    raise ShopError(f"token {value} was refused by the gate")


def object_in_message(order: object) -> None:
    raise ShopError(f"no way to handle {order!r}")


def optional(order: int, note: str | None) -> None:
    raise ShopError(f"order {order} is on hold" + (f" because {note}" if note else ""))


def remote_words(reason: str) -> None:
    raise ShopError(reason)


def dynamic_class(n: int) -> None:
    raise type(f"Failure{n}", (ShopError,), {})("made on the fly")
