"""Scaling policies against each other, on the synthetic shapes and on any trace files: waits, cost, changes.

    python benchmarks/scaling.py [--seeds 2,3] [--startup 1] [--quick: our own policies only] [--json] [TRACE.csv ...]

Each policy drives a simulated queue (tidegate.scaling.simulate) with a pool of 1 to 40 and a target of 5 s. Cost is
consumer-seconds over the clairvoyant's lower bound. Shapes that 40 consumers cannot serve are left out of the columns on waits, not
of those on cost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import scaling_peers as peers
from ground import Size, parser

from tidegate.scaling import (
    SHAPES,
    Arrival,
    Figures,
    Reading,
    ScalingPolicy,
    figures,
    geometric_mean,
    make_policy,
    read_trace,
    simulate,
)

TARGET, LEAST, MOST = 5.0, 1, 40
READINGS = {
    "azure_code": Reading(service=0.05, per={"ContextTokens": 0.00025, "GeneratedTokens": 0.03}),
    "nab_elb_request_count_8c0756": Reading(service=0.6, speed=10, load=3.5),
    "nab_nyc_taxi": Reading(service=0.5, speed=60, load=4.5),
    "wc98": Reading(service=0.3, load=4.0),
}
"""How the public traces are read, by the name of the file: their counts are scaled to a load that a pool of 40 is made for."""
OTHERWISE = Reading(service=0.5, load=4.0)


def ours(name: str, startup: float, tick: float = 1.0, most: int = MOST, **options: object) -> ScalingPolicy:
    return make_policy(name, min_consumers=LEAST, max_consumers=most, target_latency=TARGET, startup=startup, tick=tick, **options)


POLICIES: dict[str, Callable[[float], ScalingPolicy]] = {
    "deadline": lambda startup: ours("deadline", startup),
    "deadline, economy": lambda startup: ours("deadline", startup, preset="economy"),
    "deadline, latency": lambda startup: ours("deadline", startup, preset="latency"),
    "fixed(10)": lambda startup: ours("fixed", startup, size=10),
    "fixed(40)": lambda startup: ours("fixed", startup),
    "steps(cap 10, 10 s)": lambda startup: ours("steps", startup, most=10, every=10),
    "steps(cap 40, 10 s)": lambda startup: ours("steps", startup, every=10),
    "steps(cap 40, 1 s)": lambda startup: ours("steps", startup),
    "keda(ready/B, stab 300)": lambda _startup: peers.keda_ready(TARGET, 300),
    "keda(ready/B, stab 60)": lambda _startup: peers.keda_ready(TARGET, 60),
    "keda(ready+running/1, stab 300)": lambda _startup: peers.keda_running(300),
    "keda(ready+running/1, stab 30)": lambda _startup: peers.keda_running(30),
    "aws target tracking(B)": lambda _startup: peers.Aws(TARGET),
    "judoscale-like +1/10 s -1/60 s": lambda _startup: peers.Judoscale(TARGET, up=1, calm=60),
    "judoscale-like +4/10 s -1/120 s": lambda _startup: peers.Judoscale(TARGET, up=4, calm=120),
    "celery --autoscale": lambda _startup: peers.Celery(),
    "knative kpa": lambda _startup: peers.Kpa(),
    "knative kpa, tuned": lambda _startup: peers.Kpa(target=1.0, window=10.0),
    "ray serve(target 1)": lambda _startup: peers.Ray(),
}


@dataclass(frozen=True)
class Load:
    name: str
    trace: Sequence[Arrival]
    slowdown: Callable[[int], float] | None = None
    attainable: bool = True


def loads(files: Sequence[Path], seed: int) -> list[Load]:
    made = [Load(name, shape.trace(Random(seed)), shape.slowdown, shape.attainable) for name, shape in SHAPES.items()]
    for file in files:
        with file.open(encoding="utf-8") as lines:
            reading = READINGS.get(file.stem) or OTHERWISE
            if reading is OTHERWISE and "service" in file.open(encoding="utf-8").readline():
                reading = replace(OTHERWISE, load=None)
            made.append(Load(file.stem, read_trace(lines, reading, rng=Random(seed))))
    return made


def run(task: tuple[str, int, tuple[Path, ...], float]) -> list[tuple[str, str, bool, Figures]]:
    policy, seed, files, startup = task
    rows = []
    for load in loads(files, seed):
        outcome = simulate(
            load.trace, POLICIES[policy](startup), min_consumers=LEAST, startup=startup, tick=1.0, slowdown=load.slowdown
        )
        rows.append((policy, load.name, load.attainable, figures(policy, outcome, target_latency=TARGET)))
    return rows


def main() -> None:
    words = parser(__doc__)
    words.add_argument("traces", nargs="*", type=Path)
    words.add_argument("--seeds", help="2,3 unless given")
    words.add_argument("--startup", type=float, default=1.0)
    words.add_argument("--json", action="store_true")
    options = words.parse_args()
    seeds = [int(seed) for seed in (options.seeds or options.size.pick("2,3", "2,3", "2")).split(",")]
    names = [
        name
        for name in POLICIES
        if options.size is Size.FULL or name.startswith(options.size.pick("", "deadline", "deadline, economy"))
    ]
    tasks = [(name, seed, tuple(options.traces), options.startup) for name in names for seed in seeds]
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 2)) as pool:
        rows = [row for rows in pool.map(run, tasks) for row in rows]
    if options.json:
        print(json.dumps([{"trace": trace, "attainable": attainable, **each.as_json()} for _, trace, attainable, each in rows]))
        return
    print(f"pool {LEAST} to {MOST}, target {TARGET:g} s, start-up {options.startup:g} s, means over seeds {seeds}\n")
    print_policies(rows, names)
    print()
    print_traces([row for row in rows if row[0] == "deadline"])


def print_policies(rows: Sequence[tuple[str, str, bool, Figures]], names: Sequence[str]) -> None:
    print("| policy | traces with P95 <= 5 s | mean late % | worst late % | cost, geometric mean | changes/min | mean peak |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        own = [row for row in rows if row[0] == name]
        traces = {row[1]: [each[3] for each in own if each[1] == row[1]] for row in own if row[2]}
        late = [mean([each.over for each in each_seed]) * 100 for each_seed in traces.values()]
        good = sum(mean([each.p95 for each in each_seed]) <= TARGET for each_seed in traces.values())
        cost = geometric_mean(row[3].cost for row in own)
        changes = mean([row[3].events / row[3].seconds * 60 for row in own])
        peak = mean([row[3].peak for row in own])
        print(f"| {name} | {good}/{len(traces)} | {mean(late):.2f} | {max(late):.2f} | {cost:.2f} | {changes:.1f} | {peak:.0f} |")


def print_traces(rows: Sequence[tuple[str, str, bool, Figures]]) -> None:
    print("| trace (deadline) | jobs | P50 s | P95 s | P99 s | late % | cost | changes/min | peak |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in dict.fromkeys(row[1] for row in rows):
        own = [row[3] for row in rows if row[1] == name]
        star = "" if all(row[2] for row in rows if row[1] == name) else " (unattainable)"
        waits = " | ".join(f"{mean([getattr(each, wait) for each in own]):.2f}" for wait in ("p50", "p95", "p99"))
        late, cost = mean([each.over for each in own]) * 100, mean([each.cost for each in own])
        changes = mean([each.events / each.seconds * 60 for each in own])
        jobs, peak = mean([each.jobs for each in own]), mean([each.peak for each in own])
        print(f"| {name}{star} | {jobs:,.0f} | {waits} | {late:.2f} | {cost:.3f} | {changes:.1f} | {peak:.0f} |")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
