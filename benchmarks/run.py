"""Everything that `make bench` measures, in one run on one machine: each script in turn, then the ratios beside the bars; pictures.

    python benchmarks/run.py [--quick] [--into FOLDER] [--pictures FOLDER]

The figures go to build/bench unless said; the pictures, too. `figures.md` has the ratios first and the tables below them; each
script's figures are beside it as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pictures
from ground import ROOT, Size, machine, parser

HERE = Path(__file__).parent
SCRIPTS = ("enqueue", "drain", "flat", "executors", "peers", "startup", "metrics", "observing", "stacks")
PSYCOPG_PEERS = ("oban", "chancy", "procrastinate")
POSTGRES_PEERS = ("pgqueuer", *PSYCOPG_PEERS)
REDIS_PEERS = ("celery", "taskiq", "saq", "streaq")

Bar = tuple[str, Callable[[dict[str, Any]], float], float]
"""What is compared, the ratio out of all figures, and what it is to be at least."""


def peer(figures: dict[str, Any], name: str, figure: str) -> float:
    return float(figures["peers"]["peers"][name][figure])


def best(figures: dict[str, Any], names: tuple[str, ...], figure: str, choose: Callable[[list[float]], float]) -> float:
    return choose([peer(figures, name, figure) for name in names if name in figures["peers"]["peers"]])


def drain(figures: dict[str, Any], case: str, figure: str = "rate") -> float:
    return float(figures["drain"]["cases"][case][figure])


def enqueued(figures: dict[str, Any], beginning: str) -> float:
    [row] = [row for name, row in figures["enqueue"]["rows"].items() if name.endswith(beginning)]
    return float(row["ours"] / row["raw"])


def flat(figures: dict[str, Any], place: int) -> float:
    rates = list(figures["flat"]["backlogs"].values())
    return float(rates[place] / rates[0])


BARS: tuple[Bar, ...] = (
    ("drain, of the raw loop", lambda f: peer(f, "tidegate", "rate") / peer(f, "nothing", "rate"), 0.4),
    ("drain, of the raw loop in the same turns", lambda f: drain(f, "async, no-op") / f["drain"]["raw"]["rate"], 0.4),
    ("drain, of pgqueuer on asyncpg", lambda f: peer(f, "tidegate", "rate") / peer(f, "pgqueuer", "rate"), 1.5),
    (
        "drain, of the fastest on psycopg",
        lambda f: peer(f, "tidegate", "rate") / best(f, PSYCOPG_PEERS, "rate", max),
        3.0,
    ),
    ("drain, of the fastest on Redis", lambda f: peer(f, "tidegate", "rate") / best(f, REDIS_PEERS, "rate", max), 1.0),
    ("drain, two nodes of one", lambda f: drain(f, "async, no-op, two nodes") / drain(f, "async, no-op"), 1.2),
    (
        "drain, processes with batches of 100, of celery's prefork",
        lambda f: drain(f, "process, no-op, batches of 100") / peer(f, "celery", "rate"),
        3.0,
    ),
    ("enqueue_many, of COPY by hand", lambda f: enqueued(f, "by enqueue_many"), 0.6),
    ("enqueue one by one, of raw", lambda f: enqueued(f, "one by one"), 0.7),
    ("enqueue from 16 tasks, of 16 raw connections", lambda f: enqueued(f, "from 16 tasks"), 0.7),
    ("idle latency P50, raw's of ours", lambda f: peer(f, "nothing", "p50") / peer(f, "tidegate", "p50"), 1 / 2),
    ("idle latency P99, raw's of ours", lambda f: peer(f, "nothing", "p99") / peer(f, "tidegate", "p99"), 1 / 3),
    (
        "idle latency P50, the best PostgreSQL peer's of ours",
        lambda f: best(f, POSTGRES_PEERS, "p50", min) / peer(f, "tidegate", "p50"),
        1.0,
    ),
    ("worker CPU, 0.45 s a 10,000 of ours", lambda f: 0.45 / drain(f, "async, no-op", "node_cpu"), 1.0),
    ("server CPU, 0.25 s a 10,000 of ours", lambda f: 0.25 / drain(f, "async, no-op", "server_cpu"), 1.0),
    (
        "worker CPU, the least PostgreSQL peer's of ours",
        lambda f: best(f, POSTGRES_PEERS, "worker_cpu", min) / peer(f, "tidegate", "worker_cpu"),
        1.0,
    ),
    ("the second backlog of the first", lambda f: flat(f, 1), 0.9),
    ("the third backlog of the first", lambda f: flat(f, 2), 0.85),
    ("scheduled jobs present", lambda f: f["flat"]["scheduled"] / flat_first(f), 0.9),
    ("gated jobs present", lambda f: f["flat"]["gated"] / flat_first(f), 0.5),
    ("pinned xmin, last tenth of first", lambda f: f["flat"]["pinned"][1] / f["flat"]["pinned"][0], 0.85),
    ("memory, the first tenth's of all's", lambda f: 1 / f["flat"]["memory_ratio"], 1 / 1.05),
)


def flat_first(figures: dict[str, Any]) -> float:
    return float(next(iter(figures["flat"]["backlogs"].values())))


def ratios(figures: dict[str, Any]) -> Iterator[str]:
    """Return the lines of the table of ratios; what was not measured is left out and said so."""
    for name, ratio, bar in BARS:
        found = ratio_of(ratio, figures)
        if found is None:
            yield f"{name:58}{'-':>8}{bar:8.2f}  not measured"
            continue
        yield f"{name:58}{found:8.2f}{bar:8.2f}  {'holds' if found >= bar else 'does not hold'}"


def ratio_of(ratio: Callable[[dict[str, Any]], float], figures: dict[str, Any]) -> float | None:
    """Return a ratio, None where something that it needs was not measured."""
    try:
        return ratio(figures)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        return None


def measured(name: str, folder: Path, size: Size) -> str:
    """Run one script, let its words be seen as they come, and return them."""
    words = [sys.executable, str(HERE / f"{name}.py"), "--into", str(folder)] + ([] if size is Size.FULL else [f"--{size}"])
    told = [f"## {name}\n"]
    print(f"\n{told[0]}", flush=True)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            told.append(line)
    if running.returncode:
        told.append(f"(it ended with {running.returncode})\n")
        print(told[-1])
    return "".join(told)


def main() -> None:
    words = parser(__doc__)
    words.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(SCRIPTS)}; all unless given")
    words.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw the pictures there")
    asked = words.parse_args()
    folder = asked.into or ROOT / "build" / "bench"
    names = asked.scripts or asked.size.pick(SCRIPTS, SCRIPTS, SCRIPTS[:1])
    print(machine(), flush=True)
    told = [measured(name, folder, asked.size) for name in names]
    figures = {file.stem: json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")}
    table = "\n".join(["", f"{'ratio':58}{'is':>8}{'bar':>8}", *ratios(figures)])
    drawn = pictures.draw(figures, asked.pictures or folder)
    print(table)
    missed = [name for name, ratio, bar in BARS if (found := ratio_of(ratio, figures)) is not None and found < bar]
    print(f"missed: {'; '.join(missed) or 'none'}")
    (folder / "figures.md").write_text("\n".join([f"{machine()}, size {asked.size}", table, "", *told]), "utf-8")
    print("\n" + "\n".join(str(file) for file in (folder / "figures.md", *drawn)))
    if any("it ended with" in each for each in told):
        sys.exit(1)


if __name__ == "__main__":
    main()
