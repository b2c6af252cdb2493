"""A run of the demo: a node, the local mail server and the feeder together for a while, then the summary.

It starts nothing outside of this process but the database that the settings name, and ends what it started.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

import psutil
from rich.console import Console

from tidegate.client import Tidegate
from tidegate.demo import tables
from tidegate.demo.departures import FLIGHTS, departures
from tidegate.demo.extras import require
from tidegate.demo.feeder import Planned, feed, pause, plan
from tidegate.demo.findings import Letters, Opened
from tidegate.demo.outage import Outage
from tidegate.demo.post import letters_in
from tidegate.demo.postbox import Postbox
from tidegate.demo.progress import Watch
from tidegate.demo.summary import Summary, summarise
from tidegate.demo.tally import Tally
from tidegate.runtime.node import Node
from tidegate.settings import Settings
from tidegate.supervision import ChildSpec

__all__ = ["config_in", "run"]

LATENCY: Final = 0.12  # seconds that the mail server thinks about a letter: at high water three consumers have work
PATIENCE: Final = 120.0  # seconds to wait for what was enqueued; a slow machine needs half a minute


def config_in(folder: Path) -> Path:
    """Return the configuration that the demo runs with: the folder's queues.yaml where that is the shop's, else the packaged one.

    The packaged one is copied to `.tidegate/demo/` of the folder, so that the demo's database is not that of another project.
    """
    here = folder / "queues.yaml"
    if here.is_file() and "tidegate.demo.jobs" in here.read_text("utf-8"):
        return here
    copy = folder / ".tidegate" / "demo" / "queues.yaml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    ignore = copy.parent.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")  # the folder may stand in somebody's repository
    copy.write_bytes((files("tidegate.demo") / "queues.yaml").read_bytes())
    return copy


async def run(
    settings: Settings,
    *,
    seconds: float = 30.0,
    rate: float = 20.0,
    stop: asyncio.Event | None = None,
    console: Console | None = None,
    extra: Callable[[Node], Sequence[ChildSpec]] | None = None,
    rng: Random | None = None,
) -> Summary:
    """Enqueue about `rate` jobs a second for `seconds`, run them all, and return what came of it.

    With 0 seconds it goes on until `stop` is set; a run that is stopped leaves in the queues what has not started. Words go to
    `console` (standard error unless given). `extra` is handed to the node.
    """
    require()
    stop, rng = stop or asyncio.Event(), rng or Random()
    home = _home(settings.folder)
    clock = asyncio.get_running_loop().time
    tally = Tally(settings.queue_names, clock)
    start = rng.randrange(FLIGHTS)
    with Postbox(_mail_folder(home), latency=LATENCY) as postbox, _environment(SMTP_URL=postbox.url, SHOP_HOME=str(home)):
        node = Node(settings, extra=extra)
        node.events.subscribe(tally.heard)
        async with Tidegate(settings, events=node.events) as tide:
            async with tide.engine.begin() as connection:
                await connection.run_sync(tables.prepare)
            began = clock()
            async with node:
                with Watch(console or Console(stderr=True), seconds) as watch:
                    outage = Outage(postbox, seconds, watch.say, clock)
                    node.events.subscribe(outage.heard)
                    look = partial(_look, node, tally, watch, outage, began)
                    watch.say(f"the shop is open; letters go through {postbox.url}")
                    await feed(
                        tide,
                        plan(rate, seconds, rng, departures(start), crash=settings.queue("ml").executor == "process"),
                        stop=stop,
                        sent=lambda batch, ids: _sent(batch, ids, tally, look, watch.say),
                    )
                    outage.end()
                    settled = await _settled(node, tally, look, stop)
            told = islice(departures(start), tally.queues["analytics"].enqueued)
            async with tide.engine.connect() as connection:
                counted = await connection.run_sync(tables.inspect_departures, told)
                models = await connection.run_sync(tables.inspect_models)
    return summarise(
        tally.queues,
        began=began,
        ended=clock(),
        letters=_letters(postbox.folder),
        departures=counted,
        models=models,
        circuits=[Opened(name, times, round(outage.seconds.get(name, 0.0), 1)) for name, times in outage.opened.items()],
        overdue=not settled,
    )


def _home(folder: Path) -> Path:
    """Return where the shop keeps its things: `.tidegate/demo`, which is where a copied configuration lies already."""
    return folder if folder.parts[-2:] == (".tidegate", "demo") else folder / ".tidegate" / "demo"


def _sent(batch: Sequence[Planned], ids: Sequence[int], tally: Tally, look: Callable[[], None], say: Callable[[str], None]) -> None:
    for planned, job_id in zip(batch, ids, strict=True):
        tally.enqueued(planned.queue, [job_id])
        if planned.call.kwargs.get("broken_off"):
            say(f"job {job_id} is to read a page whose upload broke off, on purpose: it takes its process with it, once")
    look()


def _look(node: Node, tally: Tally, watch: Watch, outage: Outage, began: float) -> None:
    """Note how large the pools are (a pool that never changes says nothing), and tell where the run stands."""
    for name, manager in node.supervisor.managers.items():
        tally.resized(name, manager.size().alive)
    second = asyncio.get_running_loop().time() - began
    watch.at(second, tally)
    outage.at(second)


async def _settled(node: Node, tally: Tally, look: Callable[[], None], stop: asyncio.Event) -> bool:
    """Wait until every job of the run has ended, here or on another node, or the run is stopped; False where that took too long."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE
    while tally.open and not await pause(0.25, stop):
        look()
        left = await node.unfinished()
        if not left.todo and not left.left:
            await pause(1.0, stop)  # the events of the last acks may be on their way
            return True
        if clock() > deadline:
            return False
    return True


def _letters(folder: Path) -> Letters:
    ids = list(letters_in(folder))
    return Letters(arrived=len(set(ids)), copies=len(ids), folder=str(folder))


def _mail_folder(home: Path) -> Path:
    """Return an empty place for this run's letters, and clear away those of runs whose process has ended."""
    folder = home / "mail"
    for old in folder.glob("[0-9]*"):
        if not psutil.pid_exists(int(old.name)) or int(old.name) == os.getpid():
            shutil.rmtree(old, ignore_errors=True)
    return folder / str(os.getpid())


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables for the handlers, which read them in whatever process or thread they run."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
