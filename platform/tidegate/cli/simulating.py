"""Replaying a trace for `tidegate autoscaler simulate`: read, simulate policy by policy, sum up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from tidegate.errors import UsageError
from tidegate.scaling import BadPolicy, Figures, Reading, Run, ScalingPolicy, figures, make_policy, read_trace, simulate

__all__ = ["Asked", "replay"]

LONG = 20_000  # jobs from which on it is worth saying how far it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command was asked for; times in seconds."""

    trace: str
    policies: Sequence[str]
    target_latency: float
    least: int
    most: int
    startup: float
    tick: float
    service: float | None = None
    variation: float = 1.0
    speed: float = 1.0
    seed: int = 1
    drawn: bool = False
    """Whether the course of each run is wanted, and not just its sums."""


def replay(asked: Asked) -> list[tuple[Figures, Run]]:
    """Return what came of the trace under each policy. Raises BadTrace and BadPolicy, and UsageError for what cannot be."""
    names = list(dict.fromkeys(asked.policies)) or ["deadline"]
    if any(":" in name for name in names) and "" not in sys.path:
        sys.path.insert(0, "")  # a policy of one's own is found beside queues.yaml
    made = [_policy(name, asked) for name in names]
    lines = sys.stdin.read() if asked.trace == "-" else _text(asked.trace)
    reading = Reading(service=asked.service, variation=asked.variation, speed=asked.speed)
    trace = read_trace(lines.splitlines(), reading, rng=Random(asked.seed))
    runs = []
    quiet = len(trace) * len(names) < LONG or not sys.stderr.isatty()
    total = len(trace) * len(names)
    with click.progressbar(length=total, label="simulating", file=sys.stderr, hidden=quiet) as bar:
        for done, (name, policy) in enumerate(zip(names, made, strict=True)):

            def tell(arrived: int, before: int = done * len(trace)) -> None:
                bar.update(before + arrived - bar.pos)

            run = simulate(
                trace,
                policy,
                min_consumers=asked.least,
                startup=asked.startup,
                tick=asked.tick,
                keep_moments=asked.drawn,
                on_progress=tell,
            )
            tell(len(trace))
            runs.append((figures(name, run, target_latency=asked.target_latency), run))
    return runs


def _policy(name: str, asked: Asked) -> ScalingPolicy:
    try:
        return make_policy(
            name,
            min_consumers=asked.least,
            max_consumers=asked.most,
            target_latency=asked.target_latency,
            startup=asked.startup,
            tick=asked.tick,
        )
    except BadPolicy as error:
        raise UsageError(str(error), hint=error.hint) from error


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
