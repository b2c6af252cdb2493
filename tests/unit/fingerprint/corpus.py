"""300 failures, each with the name of the group that a person would put it in.

Every bug of `shop.py` is met with different data, and the whole shop is deployed three times: at two places of the disk, one of
them with other line numbers, and once installed as a package.
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

HERE = Path(__file__).parent
LIBRARY = "/opt/venv/lib/python3.11/site-packages/driverlib/api.py"
DEPLOYMENTS = (
    ("/srv/app/releases/17/shop/jobs.py", 0),
    ("/home/ada/checkout/shop/jobs.py", 40),
    ("/opt/venv/lib/python3.11/site-packages/shop/jobs.py", 3),
)


class Case(NamedTuple):
    """One failure: the group that it belongs to, and the exception."""

    group: str
    error: BaseException


def load(name: str, source: Path, filename: str, lines_before: int = 0) -> ModuleType:
    """Load a module as if its file had been somewhere else, with so many lines more at its top."""
    text = "\n" * lines_before + source.read_text("utf-8")
    module = ModuleType(name)
    sys.modules[name] = module
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), module.__dict__)
    return module


def caught(call: Callable[[], Any]) -> BaseException:
    """Return what a call raises, with its traceback from the called function on."""
    try:
        value = call()
        if inspect.iscoroutine(value):
            asyncio.run(value)
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the case
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        return error.with_traceback(trace)
    raise AssertionError("it did not fail")


UUIDS = ("5a1f4b5e-98a7-4d3c-a9f3-0f7f3c6f1f10", "00000000-0000-4000-8000-00000000002a")


def bugs(s: Any) -> list[tuple[str, list[Callable[[], Any]]]]:
    """Return the bugs of one deployment of the shop, each with the data that it is met with."""
    tree = [[1, [2, [3]]], [[[[9]]]]]
    return [
        ("unknown user", [lambda u=u: s.unknown_user(u) for u in (17, 99_120, "ada@example.com", UUIDS[0], "Bob Smith", "Ada")]),
        ("unknown order", [lambda o=o: s.unknown_order(o) for o in (3, "A-17/2026", UUIDS[1])]),
        ("unknown user", [lambda: s.rethrown(5), lambda: s.rethrown("Eve"), lambda: s.raised_later("Mallory Archer")]),
        ("percent", [lambda: s.percent_words("Ada", "Rome"), lambda: s.percent_words("Bob Smith", "New York City"), lambda: s.percent_words("x", "9")]),
        ("format", [lambda: s.format_words("Ada", 3), lambda: s.format_words("Bob Smith and friends", 0), lambda: s.format_words("C", 12)]),
        ("joined", [lambda: s.joined_words("/tmp/a b.csv"), lambda: s.joined_words("report"), lambda: s.joined_words("C:\\data\\x.csv")]),
        ("data first", [lambda: s.data_first("/a/b/c.png"), lambda: s.data_first("holiday photo"), lambda: s.data_first("img_0001.jpeg")]),
        ("not in English", [lambda: s.kunde("Jürgen Groß"), lambda: s.kunde("Ada")]),
        ("payload", [lambda: s.whole_payload({"a": 1}), lambda: s.whole_payload([1, 2, "x"]), lambda: s.whole_payload("just text")]),
        ("card expired", [lambda: s.two_reasons("4111 1111 1111 1111", 1), lambda: s.two_reasons("5500-0000-0000-0004", 1)]),
        ("card stolen", [lambda: s.two_reasons("4111 1111 1111 1111", 2), lambda: s.two_reasons("A", 2)]),
        ("funds", [lambda: s.funds("DE12", "9.99"), lambda: s.funds("main account of Ada", "1E+5")]),
        ("parcel", [lambda: s.parcel("00340434161094", "Rome"), lambda: s.parcel("gift", "the middle of nowhere")]),
        ("dataclass", [lambda: s.rejected(1, "late"), lambda: s.rejected(22, "late")]),
        ("long message", [lambda: s.long_message(1), lambda: s.long_message(31_337)]),
        ("many lines", [lambda: s.many_lines("nightly"), lambda: s.many_lines("the weekly clean-up")]),
        ("bare", [s.bare, s.bare]),
        ("amount", [lambda: s.amount("ten"), lambda: s.amount(""), lambda: s.amount("1,5")]),
        ("quantity", [lambda: s.quantity({"quantity": "two"}), lambda: s.quantity({"quantity": "1.5"})]),
        ("no quantity", [lambda: s.quantity({}), lambda: s.quantity({"qty": "1"})]),
        ("no email", [lambda: s.email_of({}), lambda: s.email_of({"mail": "x"})]),
        ("no phone", [lambda: s.email_of({"email": "a@b.example"}), lambda: s.email_of({"email": ""})]),
        ("lookup", [lambda u=u: s.lookup({}, u) for u in ("u-1", "ada", "Bob Smith", "9")]),
        ("no sku", [lambda: s.needs_sku({}), lambda: s.needs_sku({"price": 1})]),
        ("no price", [lambda: s.needs_price({}), lambda: s.needs_price({"sku": "A1"})]),
        ("no customer", [lambda: s.mail(s.Order(1, None)), lambda: s.mail(s.Order(2, None))]),
        ("customer without phone", [lambda: s.mail(s.Order(1, Namespace(email="a@b.example"))), lambda: s.mail(s.Order(7, Namespace(email=3)))]),
        ("no length", [lambda: s.length(s.Order(1, None, 17)), lambda: s.length(s.Order(1, None, None)), lambda: s.length(s.Order(1, None, 2.5))]),
        ("average of none", [lambda: s.average([]), lambda: s.average([])]),
        ("first ratio", [lambda: s.ratios(1, 0, 1), lambda: s.ratios(1, 0, 0)]),
        ("second ratio", [lambda: s.ratios(1, 1, 0), lambda: s.ratios(2, 5, 0)]),
        ("third of two", [lambda: s.third([1, 2]), lambda: s.third([])]),
        ("first check", [lambda: s.checks(False, True), lambda: s.checks(False, False)]),
        ("second check", [lambda: s.checks(True, False), lambda: s.checks(1, 0)]),
        ("stock", [lambda: s.stock(-1), lambda: s.stock(-200)]),
        ("total", [lambda: s.total(None, 3), lambda: s.total(None, 4)]),
        ("decode", [lambda d=d: s.decode(d) for d in (b"\xff\xfe", b"abc\xc3", b"\xe2\x28\xa1")]),
        ("bad JSON", [lambda t=t: s.load(t) for t in ("", "{", "[1,", "nonsense", '{"a" 1}')]),
        ("bad day", [lambda t=t: s.day(t) for t in ("tomorrow", "2026-02-30", "2026-01-01T00:00")]),
        ("no file", [lambda: s.read("/nowhere/a.csv"), lambda: s.read("relative name.txt")]),
        ("unpack", [lambda: s.unpack(b""), lambda: s.unpack(b"123456789")]),
        ("undefined", [s.undefined]),
        ("undefined too", [s.undefined_too]),
        ("no module", [lambda: s.missing_module("pdf"), lambda: s.missing_module("pdf")]),
        ("bad pattern", [lambda p=p: s.compiled(p) for p in ("(", "[a-", "*")]),
        ("command", [lambda: s.run("a.png"), lambda: s.run("/tmp/b.png", "--size", "3")]),
        ("insert", [lambda: s.insert("Ada"), lambda: s.insert("Bob")]),
        ("stock service away", [lambda: s.sync_stock("10.0.0.7", 80), lambda: s.sync_stock("stock.example", 8443)]),
        ("price service away", [lambda: s.sync_prices("10.0.0.8", 80), lambda: s.sync_prices("price.example", 8443)]),
        ("service fails", [lambda: s.fetch("https://api.example/v1/users/17?token=abc"), lambda: s.fetch("http://[::1]:80/x")]),
        ("duplicate", [lambda: s.register("ada@example.com"), lambda: s.register("Bob Smith")]),
        ("model", [lambda: s.model(a="x"), lambda: s.model(a="y", b="z", c=3)]),
        ("callback", [lambda: s.in_callback([1, 2, 0]), lambda: s.in_callback([0])]),
        ("chained key, alone", [lambda: s.chained_key({}, 1), lambda: s.chained_key({"a": "b"}, 2)]),
        ("chained: key", [lambda: s.chained(1, "key"), lambda: s.chained(22, "key")]),
        ("chained: connection", [lambda: s.chained(1, "connection"), lambda: s.chained(22, "connection")]),
        ("while handling", [lambda: s.while_handling(1), lambda: s.while_handling(22)]),
        ("hidden", [lambda: s.hidden(1), lambda: s.hidden(22)]),
        ("patient", [lambda n=n: s.patient(n) for n in (1, 2, 5, 400)]),
        ("circle", [s.circle]),
        ("endless walk", [lambda: s.walk([]), lambda: s.walk([[[]]]), lambda: deeper(7, lambda: s.walk([]))]),
        ("ping pong", [lambda: s.ping(0), lambda: deeper(1, lambda: s.ping(0)), lambda: deeper(2, lambda: s.ping(0))]),
        ("deep JSON", [lambda: s.deep_json(5_000), lambda: deeper(3, lambda: s.deep_json(9_000))]),
        ("stubborn", [lambda: s.stubborn(0), lambda: deeper(5, lambda: s.stubborn(1))]),
        ("leaf", [lambda: s.search(tree, 7), lambda: s.search([[[4]]], 1), lambda: s.search(3, 1)]),
        ("together: users", [lambda: s.together([1], []), lambda: s.together([1, 2, 3], []), lambda: s.together(list(range(50)), [])]),
        ("together: users and orders", [lambda: s.together([1], [2]), lambda: s.together([1, 5], [3])]),
        ("nested once", [lambda: s.grouped(1, 5), lambda: s.grouped(1, 6)]),
        ("nested thrice", [lambda: s.grouped(3, 5), lambda: s.grouped(3, 6)]),
        ("crowd", [lambda: s.crowd(3), lambda: s.crowd(1_000)]),
        ("waits", [lambda: s.waits(0.001), lambda: s.waits(0.002)]),
        ("cancelled", [s.cancelled]),
        ("mute", [s.mute, s.mute]),
        ("not text", [s.not_text, s.not_text]),
        ("loud", [lambda: s.loud(50_000_000), lambda: s.loud(60_000_000)]),
        ("ghost", [s.ghost, s.ghost]),
        ("strange text", [lambda t=t: s.strange(t) for t in ("\x1b[31mred\x1b[0m", "a\x00b", "\udcff\udcfe", "\u202eevil", "d'Arc's")]),
        ("leaves", [lambda: s.leaves(3), lambda: s.leaves(4)]),
        ("stops", [s.stops, s.stops]),
        ("generator stops", [s.generator_stops]),
        ("locals", [lambda: s.locals_that_hurt(1), lambda: s.locals_that_hurt(52)]),
        ("noted", [lambda: s.noted(1), lambda: s.noted(2)]),
        ("decorated", [lambda: s.decorated(1), lambda: s.decorated(10)]),
        ("comprehension", [lambda: s.comprehension([{}]), lambda: s.comprehension([{"weight": 1}, {"size": 3}])]),
        ("lambda", [lambda: s.by_lambda([Namespace(size=1)]), lambda: s.by_lambda([Namespace(), Namespace()])]),
        ("nested", [lambda: s.nested(1), lambda: s.nested(20)]),
        ("importer", [lambda: s.Importer().run(1), lambda: s.Importer().run(44)]),
        ("exporter", [lambda: s.Exporter().run(1), lambda: s.Exporter().run(44)]),
        ("numbers in words", [lambda: s.numbers_in_words(1), lambda: s.numbers_in_words(234)]),
        ("helper: print", [lambda: s.by_helper_print("Ada"), lambda: s.by_helper_print("Bob Smith")]),
        ("helper: fold", [lambda: s.by_helper_fold("Ada"), lambda: s.by_helper_fold("Bob Smith")]),
        ("token", [lambda: s.token("eyJhbGciOi.J9"), lambda: s.token("QUJDREVGR0g="), lambda: s.token("deadbeefdeadbeef")]),
        ("object", [lambda: s.object_in_message(object()), lambda: s.object_in_message(s.Customer("a", "b"))]),
        ("optional words", [lambda: s.optional(1, None), lambda: s.optional(2, "of rain"), lambda: s.optional(3, "of the strike")]),
        ("declined by the bank", [lambda: s.remote_words("declined by the bank 17"), lambda: s.remote_words("declined by the bank 9")]),
        ("limit reached", [lambda: s.remote_words("the limit of 100 EUR is reached"), lambda: s.remote_words("the limit of 5 EUR is reached")]),
        ("made on the fly", [lambda: s.dynamic_class(1), lambda: s.dynamic_class(2)]),
    ]  # fmt: skip


class Namespace:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def deeper(n: int, call: Callable[[], Any]) -> Any:
    """Call it from deeper in the stack, so that a limit is met elsewhere."""
    return deeper(n - 1, call) if n else call()


def corpus() -> Iterator[Case]:
    """Yield the failures, each variant on one of the deployments in turn; the first one of each bug on all of them."""
    load("driverlib", HERE / "driverlib.py", LIBRARY)
    shops = [load("shop.jobs", HERE / "shop.py", filename, lines) for filename, lines in DEPLOYMENTS]
    made = [bugs(shop) for shop in shops]
    turn = cycle(range(len(shops)))
    for number, (group, calls) in enumerate(made[0]):
        for variant in range(len(calls)):
            yield Case(group, caught(made[next(turn)][number][1][variant]))
        if group not in SLOW:
            yield Case(group, caught(made[next(turn)][number][1][0]))


SLOW = frozenset({"loud", "command", "deep JSON"})
