"""What the scripts of benchmarks/ share: their sizes, a server that syncs as in production, the machine in a line, figures on file.

Every script takes --quick (minutes become seconds; ratios hold roughly) and --smoke (it runs through; its figures mean nothing).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the repository's root is not on the path of a script

from tests.support.postgres import Server  # noqa: E402 - needs the path above

from tidegate.store import migrate  # noqa: E402 - likewise
from tidegate.store.connection import connect  # noqa: E402 - likewise

__all__ = ["DURABLE", "ROOT", "Report", "Server", "Size", "ground", "machine", "migrated", "parser", "processor"]

DURABLE: Final = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
T = TypeVar("T")


class Size(StrEnum):
    """How much is measured."""

    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"

    def pick(self, full: T, quick: T, smoke: T) -> T:
        """Return what belongs to this size."""
        return {Size.FULL: full, Size.QUICK: quick, Size.SMOKE: smoke}[self]


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every script takes: its `size`, and `into`, a folder that its figures are written to."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.set_defaults(size=Size.FULL)
    sizes = made.add_mutually_exclusive_group()
    sizes.add_argument("--quick", dest="size", action="store_const", const=Size.QUICK, help="smaller, for a look")
    sizes.add_argument("--smoke", dest="size", action="store_const", const=Size.SMOKE, help="as small as can be, for the tests")
    made.add_argument("--into", type=Path, metavar="FOLDER", help="write the figures there as JSON too")
    return made


@dataclass
class Report:
    """The figures of one script: printed by it as they come, and kept as JSON for the table of ratios and the pictures."""

    name: str
    asked: argparse.Namespace
    figures: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Write them to where the command line says, if it says so."""
        if self.asked.into is not None:
            self.asked.into.mkdir(parents=True, exist_ok=True)
            told = {"machine": machine(), "size": self.asked.size, **self.figures}
            (self.asked.into / f"{self.name}.json").write_text(json.dumps(told, indent=1), "utf-8")


@contextmanager
def ground(**more: str) -> Iterator[str]:
    """Have a durable server with one migrated database; return its address."""
    with Server(settings={**DURABLE, **more}) as server:
        yield migrated(server)


def migrated(server: Server) -> str:
    """Make a migrated database; return its address."""
    database = server.create_database()
    with connect(database) as connection:
        migrate.migrate(connection)
    return database


def machine() -> str:
    """Return what figures depend on, in a line."""
    return f"{os.cpu_count()} cores ({processor()}), Python {platform.python_version()}, {platform.system()}"


def processor() -> str:
    """Return the processor's name as the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
