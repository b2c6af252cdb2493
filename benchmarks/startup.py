"""How long the command line takes to start, as a multiple of `python -c pass` on the same machine: `python benchmarks/startup.py`.

Each command runs `--rounds` times, in turns with the bare interpreter, so that a busy machine slows both. Told are the median
and the quickest. What asks a database asks a real one, migrated and empty.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ground import Server, machine, migrated, parser

PROGRAM = [sys.executable, "-m", "tidegate"]
COMMANDS = (
    ["--version"],
    ["--help"],
    ["jobs", "list", "--help"],
    ["config", "show"],
    ["jobs", "list"],
    ["queues", "list"],
    ["db", "status"],
    ["enqueue", "shop:greet"],
)


def seconds(words: Sequence[str], environ: dict[str, str], folder: str) -> float:
    """Run a command and return how long it took."""
    started = time.perf_counter()
    subprocess.run(words, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    words = parser(__doc__)
    words.add_argument("--rounds", type=int)
    asked = words.parse_args()
    rounds, commands = asked.rounds or asked.size.pick(15, 3, 1), asked.size.pick(COMMANDS, COMMANDS, COMMANDS[:1])
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        database = migrated(server)
        (Path(folder) / "queues.yaml").write_text("jobs: [shop]\nqueues: {email: {}}\n", "utf-8")
        (Path(folder) / "shop.py").write_text("def greet(): ...\n", "utf-8")
        environ = {**os.environ, "TIDEGATE_DATABASE": database}
        print(f"{machine()}, PostgreSQL {server.version}; {rounds} rounds, ms")
        print(f"{'command':<29}{'median':>9}{'quickest':>10}{'x python -c pass':>18}")
        for command in commands:
            bare, ours = [], []
            for _ in range(rounds):
                bare.append(seconds([sys.executable, "-c", "pass"], environ, folder))
                ours.append(seconds([*PROGRAM, *command], environ, folder))
            ratio = statistics.median(ours) / statistics.median(bare)
            print(f"tidegate {' '.join(command):<20}{statistics.median(ours) * 1000:>9.0f}{min(ours) * 1000:>10.0f}{ratio:>18.1f}")


if __name__ == "__main__":
    main()
