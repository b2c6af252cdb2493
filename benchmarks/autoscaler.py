"""A real platform against the simulator's promise: three policies through a step and a burst, measured and simulated side by side.

    python benchmarks/autoscaler.py [--seconds 300] [--seed 1] [--picture autoscaler.png] [--json]

One node on a throw-away PostgreSQL has a queue for each policy, and each queue gets the same jobs at the same moments: jobs that
sleep, so that the machine is not what is measured. Waits are those that the node tells of each job; consumer-seconds are counted
twenty times a second. The simulator replays the same trace under the same policies. It ends with 1 where they are further apart
than 20% in consumer-seconds, or than 20% and half a second in the P95 of the waits.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ground import Server, Size, machine, migrated, parser

from tidegate import Node, Tidegate
from tidegate.events import Event, JobEnded, JobStarted
from tidegate.runtime.queue_policy import QUICK
from tidegate.scaling import Arrival, Run, lower_bound, make_policy, simulate
from tidegate.scaling.synthetic import lognormal, poisson
from tidegate.settings import Settings

POLICIES = ("deadline", "steps", "fixed")
LEAST, MOST, TARGET, TICK = 1, 20, 5.0, 1.0
CALM, STEP, BURST = 2.0, 16.0, 120  # jobs a second before and after; during the step; jobs at once
MEAN, VARIATION = 0.5, 0.5  # seconds that a job sleeps, and their squared coefficient of variation
SAMPLED = 0.05  # seconds
NEAR, NEAR_SECONDS = 0.2, 0.5
QUEUES = "jobs: [sleeping_jobs]\nqueues:\n" + "".join(
    f"  {name}: {{consumers: {{min: {LEAST}, max: {MOST}}}, scaling: {{policy: {name}, target_latency: {TARGET:g}}}}}\n"
    for name in POLICIES
)
JOBS = """\
import asyncio

from tidegate import job


@job(queue="deadline")
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
"""


def step_and_burst(seconds: float, rng: Random) -> list[Arrival]:
    """Calm, from a fifth on a step that lasts for two fifths, calm again, and a burst at four fifths."""
    times = [*poisson(lambda at: STEP if 0.2 <= at / seconds < 0.6 else CALM, STEP, seconds, rng), *[0.8 * seconds] * BURST]
    return [Arrival(at, lognormal(MEAN, VARIATION, rng)) for at in sorted(times)]


@dataclass
class Measured:
    """What came of one queue."""

    waits: list[float] = field(default_factory=list)
    ended: int = 0
    ended_at: float = 0.0
    consumer_seconds: float = 0.0
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    """Time, jobs that wait, consumers."""

    def wait(self, share: float) -> float:
        ordered = sorted(self.waits)
        return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


async def measure(trace: Sequence[Arrival], database: str, config: Path) -> dict[str, Measured]:
    sleep = importlib.import_module("sleeping_jobs").sleep  # written by `main`
    loop = asyncio.get_running_loop()
    found = {name: Measured() for name in POLICIES}
    node = Node(Settings.load(config, database=database))

    def heard(event: Event) -> None:
        match event:
            case JobStarted():
                found[event.queue].waits.append(event.waited)
            case JobEnded():
                found[event.queue].ended += 1
                found[event.queue].ended_at = loop.time()

    node.events.subscribe(heard)
    async with Tidegate.connect(database, config=config) as tide, node:
        while not node.supervisor.leading:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)
        managers, sent, began = node.supervisor.managers, 0, loop.time()
        counted_at = dict.fromkeys(POLICIES, began)
        while any(each.ended < len(trace) for each in found.values()):
            now = loop.time()
            due = sent
            while due < len(trace) and trace[due].at <= now - began:
                due += 1
            calls = [sleep.call(seconds=job.service) for job in trace[sent:due]]
            if calls:
                await tide.enqueue_many([call.options(queue=name) for name in POLICIES for call in calls])
            sent = due
            for name, each in found.items():
                if each.ended < len(trace):
                    alive = managers[name].size().alive
                    each.consumer_seconds += alive * (loop.time() - counted_at[name])
                    counted_at[name] = loop.time()
                    each.samples.append((now - began, sent - len(each.waits), alive))
            tell(now - began, found, len(trace))
            await asyncio.sleep(SAMPLED)
    return found


def tell(passed: float, found: dict[str, Measured], jobs: int) -> None:
    if sys.stderr.isatty():
        done = ", ".join(f"{name} {each.ended}/{jobs}" for name, each in found.items())
        print(f"\r{passed:5.0f} s  {done}   ", end="", file=sys.stderr)


def simulated(trace: Sequence[Arrival], name: str) -> Run:
    policy = make_policy(name, min_consumers=LEAST, max_consumers=MOST, target_latency=TARGET, startup=QUICK, tick=TICK)
    return simulate(trace, policy, min_consumers=LEAST, startup=QUICK, tick=TICK, keep_moments=True)


def compared(measured: Measured, run: Run) -> dict[str, float | bool]:
    p95, promised = measured.wait(0.95), run.wait(0.95)
    apart = measured.consumer_seconds / run.consumer_seconds - 1
    return {
        "p95": p95,
        "p95_simulated": promised,
        "late": sum(wait > TARGET for wait in measured.waits) / len(measured.waits),
        "late_simulated": run.over(TARGET),
        "consumer_seconds": measured.consumer_seconds,
        "consumer_seconds_simulated": run.consumer_seconds,
        "near": abs(apart) <= NEAR and abs(p95 - promised) <= max(NEAR * promised, NEAR_SECONDS),
    }


def draw(found: dict[str, Measured], runs: dict[str, Run], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only where something is drawn
    from matplotlib.figure import Figure  # noqa: PLC0415 - likewise

    figure = Figure(figsize=(13, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(POLICIES), sharex=True, sharey="row", squeeze=False)
    for column, name in enumerate(POLICIES):
        above, below = axes[0][column], axes[1][column]
        at, waiting, alive = zip(*found[name].samples, strict=True)
        moments = runs[name].moments
        above.plot(at, waiting, color="tab:blue", label="measured")
        above.plot([each.at for each in moments], [each.ready for each in moments], "--", color="tab:orange", label="simulated")
        below.step(at, alive, where="post", color="tab:blue", label="measured")
        then = [each.at for each in moments]
        below.step(then, [each.consumers for each in moments], "--", where="post", color="tab:orange", label="simulated")
        above.set_title(name)
        below.set_xlabel("seconds")
    axes[0][0].set_ylabel("jobs that wait")
    axes[1][0].set_ylabel("consumers")
    axes[0][0].legend(loc="upper left")
    figure.savefig(path, dpi=110)


def report(found: dict[str, Measured], runs: dict[str, Run], trace: Sequence[Arrival]) -> None:
    fewest = lower_bound(trace, min_consumers=LEAST, seconds=runs["deadline"].seconds)
    print("| policy | P95 wait s | simulated | late % | simulated | consumer-s | simulated | apart | cost | near |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in POLICIES:
        row = compared(found[name], runs[name])
        paid, promised = row["consumer_seconds"], row["consumer_seconds_simulated"]
        print(
            f"| {name} | {row['p95']:.2f} | {row['p95_simulated']:.2f} | {row['late']:.2%} | {row['late_simulated']:.2%} "
            f"| {paid:,.0f} | {promised:,.0f} | {paid / promised - 1:+.1%} | {paid / fewest:.2f} "
            f"| {'yes' if row['near'] else 'NO'} |"
        )


def main() -> int:
    words = parser(__doc__)
    words.add_argument("--seconds", type=float)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--picture", type=Path, default=Path("autoscaler.png"))
    words.add_argument("--json", action="store_true")
    options = words.parse_args()
    trace = step_and_burst(options.seconds or options.size.pick(300.0, 120.0, 4.0), Random(options.seed))
    runs = {name: simulated(trace, name) for name in POLICIES}
    before = os.getloadavg()[0]
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "queues.yaml"
        config.write_text(QUEUES, "utf-8")
        (Path(folder) / "sleeping_jobs.py").write_text(JOBS, "utf-8")
        sys.path.insert(0, folder)
        database = migrated(server)
        found = asyncio.run(measure(trace, database, config))
        version = server.version
    draw(found, runs, options.picture)
    near = {name: compared(found[name], runs[name]) for name in POLICIES}
    if options.json:
        print(json.dumps(near))
    else:
        work = sum(job.service for job in trace)
        print(f"\n{machine()}, PostgreSQL {version}; load {before:.2f} before, {os.getloadavg()[0]:.2f} after")
        print(f"{len(trace):,} jobs of {work:,.0f} s on each queue, {LEAST} to {MOST} consumers, target {TARGET:g} s\n")
        report(found, runs, trace)
        print(f"\ndrawn: {options.picture}", file=sys.stderr)
    return 0 if options.size is Size.SMOKE or all(each["near"] for each in near.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
