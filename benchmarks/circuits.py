"""What circuits save and what they cost.

    python benchmarks/circuits.py outage [SECONDS]    letters under load, the mail server stopped and started; acting, observing
    python benchmarks/circuits.py gated [JOBS]        claims of other kinds behind 100,000 held-back jobs, and behind none

On a throw-away embedded PostgreSQL that syncs as it would in production.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
from ground import ground, parser

from tidegate import Node, Tidegate
from tidegate.circuit import CircuitPlan, CircuitSpec
from tidegate.demo.customers import Domain, address
from tidegate.demo.jobs import send_welcome_email
from tidegate.demo.post import letters_in
from tidegate.demo.postbox import Postbox
from tidegate.events import CircuitChanged, JobEnded
from tidegate.jobs import NewJob, State, Word
from tidegate.lifecycle import Ack
from tidegate.settings import Settings
from tidegate.store.postgres import PostgresStore, make_engine
from tidegate.store.protocol import Claim, NodeRow

RATE = 20  # letters a second
CLAIMED, GROUP = 20, 20  # jobs of a claim; claims of which a median is taken
HEALTHY = 10  # seconds before the server stops
QUEUES = """\
jobs: [tidegate.demo.jobs]
defaults: {{backoff: {{kind: exponential, base: 0.5, factor: 2}}}}
queues:
  email: {{consumers: 5}}
  analytics: {{consumers: 1}}
  ml: {{consumers: 1}}
circuits:
  smtp: {{consecutive: 5, open_for: 2, open_factor: 1, jitter: 0, ramp: 1, mode: {mode}}}
"""


async def outage(database: str, folder: Path, mode: str, seconds: float, healthy: float) -> dict[str, float]:
    """Send letters for a while before, during and after an outage of `seconds`; return what it came to."""
    config = folder / f"{mode}.yaml"
    config.write_text(QUEUES.format(mode=mode), "utf-8")
    clock, done, failed, dead, changes = time.perf_counter, [], 0, 0, []
    with Postbox(folder / f"mail-{mode}", latency=0.05) as postbox:
        os.environ["SMTP_URL"] = postbox.url
        async with Tidegate.connect(database, config=config) as tide:
            node = Node(Settings.load(config, database=database), queues=["email"])

            def heard(event: object) -> None:
                nonlocal failed, dead
                match event:
                    case JobEnded(word=Word.DONE):
                        done.append(clock())
                    case JobEnded(word=Word.FAILED, state=state, failure=failure):
                        failed += failure is not None and "Connect" in failure.type
                        dead += state is State.DEAD
                    case CircuitChanged():
                        changes.append((clock(), event.to_state))

            node.events.subscribe(heard)
            async with node:
                began, sent, back, customers = clock(), 0, float("inf"), accepted()
                while (passed := clock() - began) < healthy + seconds + healthy:
                    if not postbox.away and healthy <= passed < healthy + seconds:
                        postbox.down()
                    elif postbox.away and passed >= healthy + seconds:
                        postbox.up()
                        back = clock()
                    wanted = int(passed * RATE)
                    # customers whose own servers accept: what is counted is the outage alone
                    await tide.enqueue_many([send_welcome_email.call(user_id=next(customers)) for _ in range(sent, wanted)])
                    sent = wanted
                    await asyncio.sleep(0.05)
                while (await node.unfinished()).todo or (await node.unfinished()).left:  # noqa: ASYNC110 - the table is what is watched
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1.5)
    letters = list(letters_in(postbox.folder))
    full = next((at - back for at in done if at > back and sum(at - 1 <= other <= at for other in done) >= RATE), float("nan"))
    return {
        "letters sent": sent,
        "arrived": len(set(letters)),
        "doubled": len(letters) - len(set(letters)),
        "dead": dead,
        "attempts burnt": failed,
        "openings": sum(state == "open" for _, state in changes),
        "s to full rate": round(full, 1),
    }


def accepted() -> Iterator[int]:
    """Yield customers whose own mail servers accept."""
    refusing = {Domain.GREYLISTING, Domain.FULL, Domain.GONE}
    return (user for user in count(1) if address(user).rpartition("@")[2] not in refusing)


class Stall:
    """One database with a line of ready jobs that runs, and `held` jobs at its head that a circuit holds back."""

    def __init__(self, database: str, held: int, rounds: int) -> None:
        self._database, self._held, self._rounds = database, held, rounds
        self._store = PostgresStore(database, make_engine(database))
        self._hints = [(0, 0)]
        self.seconds: list[float] = []

    async def set_up(self) -> None:
        store, plan = self._store, CircuitPlan([CircuitSpec("smtp", kinds=("shop:mail",))])
        await store.make_partitions()
        await store.register(NodeRow("bench", "bench", 1, "0", ("email",)), lease=3_600)
        await store.know_circuits(plan, node="bench")
        self._line = await store.line("email", node="bench", kinds=["shop:mail", "shop:other"], circuits=plan)
        for _ in range(0, self._held, 10_000):
            await store.enqueue([NewJob("shop:mail", "email", b"{}")] * 10_000)
        if self._held:
            await store.move_circuit("smtp", lambda circuit, now: circuit.force("forced_open", now), rng=float)
        await store.enqueue([NewJob("shop:other", "email", b"{}")] * CLAIMED * (self._rounds + 1))
        with psycopg.connect(self._database, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE tidegate.jobs")

    async def claim(self) -> None:
        """Claim, take the time of that, and ack what was claimed."""
        began = time.perf_counter()
        claimed = (await self._line.exchange([], Claim(CLAIMED, self._hints, gated=bool(self._held)), now=0.0)).claimed
        self.seconds.append(time.perf_counter() - began)
        assert claimed is not None
        acks = [Ack(job.id, job.lease, State.COMPLETED, Word.DONE, duration=0.0) for job in claimed.jobs]
        await self._line.exchange(acks, None, now=0.0)
        self._hints = [(0, max((job.seq for job in claimed.jobs), default=0))]

    async def close(self) -> None:
        await self._line.close()
        await self._store.close()


async def gated(databases: list[str], jobs: int, *, rounds: int) -> tuple[list[float], list[float], float]:
    """Return the times of claims (ms) with nothing and with `jobs` held back, turn by turn, and the median of their ratios.

    The two take turns, so that whatever else the machine does befalls both; the first claim, which walks past what is held back
    once, is not among them.
    """
    free, behind = stalls = [Stall(databases[0], 0, rounds), Stall(databases[1], jobs, rounds)]
    for stall in stalls:
        await stall.set_up()
        await stall.claim()
        stall.seconds.clear()
    for n in range(rounds):
        for stall in stalls if n % 2 else reversed(stalls):
            await stall.claim()
    for stall in stalls:
        await stall.close()
    ratios = [
        statistics.median(behind.seconds[n : n + GROUP]) / statistics.median(free.seconds[n : n + GROUP])
        for n in range(0, rounds, GROUP)
    ]
    told = [[second * 1e3 for second in stall.seconds] for stall in stalls]
    return told[0], told[1], statistics.median(ratios)


def main() -> None:
    words = parser(__doc__)
    words.add_argument("what", nargs="?", choices=("outage", "gated"), default="outage")
    words.add_argument("number", nargs="?", type=float, metavar="SECONDS|JOBS")
    asked = words.parse_args()
    with ground() as database, tempfile.TemporaryDirectory() as folder:
        if asked.what == "gated":
            jobs = int(asked.number or asked.size.pick(100_000, 20_000, 10_000))
            with ground() as other:
                free, behind, ratio = asyncio.run(gated([database, other], jobs, rounds=asked.size.pick(600, 300, GROUP)))
            for name, times in (("nothing held back", free), (f"{jobs:,} held back", behind)):
                p95 = statistics.quantiles(times, n=20)[-1]
                print(f"{name:<24} median {statistics.median(times):6.2f} ms   p95 {p95:6.2f} ms   max {max(times):7.2f} ms")
            print(f"behind them a claim takes {ratio:.2f} times as long: the median of ratios of medians, claimed in turns")
            return
        seconds, healthy = asked.number or asked.size.pick(15, 5, 1), asked.size.pick(HEALTHY, 3, 1)
        for mode in ("act", "observe"):
            told = asyncio.run(outage(database, Path(folder), mode, seconds, healthy))
            print(f"{mode:<8} " + "  ".join(f"{name} {value:g}" for name, value in told.items()), flush=True)


if __name__ == "__main__":
    main()
