"""Reading a trace of arrivals out of text: CSV or lines of JSON, job by job or as counts per bucket of time.

    arrival,service        a row for each job: seconds, or a date and time; how long it took
    timestamp,value        a row for each bucket: how many jobs came in it (`rate`: how many a second); `service` and `variation`
                           beside it are the mean and the squared coefficient of variation of their service times

Columns are known by name. Where there is no header, the first column is the arrival and the second the service time. What a trace
does not say of service times comes from the distribution that is asked for.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from operator import mul
from random import Random
from typing import Any, Final

from tidegate.errors import UsageError
from tidegate.scaling.simulation import Arrival
from tidegate.scaling.synthetic import lognormal

__all__ = ["BadTrace", "Reading", "read_trace"]

ARRIVAL: Final = (
    "arrival",
    "arrived_at",
    "arrival_time",
    "at",
    "time",
    "t",
    "timestamp",
    "ready_at",
    "run_at",
    "enqueued_at",
    "start",
)
SERVICE: Final = ("service", "service_time", "service_seconds", "duration", "seconds", "run_seconds", "runtime", "size", "length")
COUNT: Final = ("count", "value", "requests", "jobs", "arrivals", "n")
RATE: Final = ("rate", "rps", "per_second")
VARIATION: Final = ("variation", "cv2")
PERIOD: Final = ("period", "bucket", "minute")


class BadTrace(UsageError):
    """A trace that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: what the text itself does not say."""

    service: float | None = None
    """The mean service time in seconds, where the trace has none; 1 where nobody says."""
    variation: float = 1.0
    """Its squared coefficient of variation (lognormal)."""
    per: Mapping[str, float] = field(default_factory=dict)
    """Column -> seconds for each unit in it, added to `service`: the size of a job instead of its service time."""
    speed: float = 1.0
    """How many times as fast as it was."""
    load: float | None = None
    """Mean load in Erlang (consumers' worth of work) that the counts are scaled to; they count as they are where nobody says."""


def read_trace(lines: Iterable[str], reading: Reading = Reading(), *, rng: Random) -> list[Arrival]:
    """Return the jobs of a trace, sorted by arrival, the first one near 0. Raises BadTrace."""
    rows = [(number, row) for number, row in _rows(lines) if row]
    if not rows:
        raise BadTrace("the trace is empty", hint="a row for each job: arrival,service")
    names = list(rows[0][1])
    missing = [column for column in reading.per if column not in names]
    if missing:
        raise BadTrace(f"the trace has no column {missing[0]!r}", hint=f"its columns: {', '.join(names)}")
    count = _named(names, COUNT) or _named(names, RATE)
    arrival = _named(names, ARRIVAL) or (_named(names, PERIOD) if count else None)
    if arrival is None:
        raise BadTrace(
            f"no column of the trace is a time of arrival; its columns: {', '.join(names)}",
            hint=f"call one {', '.join(ARRIVAL[:6])}",
        )
    service = _named(names, SERVICE)
    if count is not None and not reading.per:
        return _from_buckets(rows, (arrival, count, service, _named(names, VARIATION)), reading, rng)
    jobs = [_job(number, row, arrival, service, reading, rng) for number, row in rows]
    first = min(jobs).at
    return sorted(Arrival((at - first) / reading.speed, seconds) for at, seconds in jobs)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line number, column -> value)."""
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    first = next(((number, line) for number, line in numbered if line), None)
    if first is None:
        return
    if first[1].startswith("{"):
        for number, line in (first, *numbered):
            yield number, _object(number, line)
        return
    header = next(csv.reader([first[1]]))
    names = [name.strip() for name in header]
    if _is_value(header[0]):
        names = [ARRIVAL[0], SERVICE[0], *(f"column {n}" for n in range(3, len(header) + 1))][: len(header)]
        yield first[0], dict(zip(names, header, strict=True))
    for number, line in numbered:
        cells = next(csv.reader([line])) if line else []
        if cells and len(cells) != len(names):
            raise BadTrace(f"line {number} of the trace has {len(cells)} columns, the others have {len(names)}")
        yield number, dict(zip(names, cells, strict=False))


def _object(number: int, line: str) -> Mapping[str, Any]:
    if not line:
        return {}
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadTrace(f"line {number} of the trace is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadTrace(f"line {number} of the trace is not a JSON object", hint='{"arrival": 12.5, "service": 0.8}')
    return value


def _named(names: Sequence[str], known: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in known if name in lower), None)


def _job(number: int, row: Mapping[str, Any], arrival: str, service: str | None, reading: Reading, rng: Random) -> Arrival:
    at = _time(number, row.get(arrival))
    if service is not None and not reading.per:
        seconds = _number(number, row.get(service))
    elif reading.per:
        seconds = (reading.service or 0.0) + sum(_number(number, row.get(column)) * per for column, per in reading.per.items())
    else:
        seconds = lognormal(1.0 if reading.service is None else reading.service, reading.variation, rng)
    if seconds < 0:
        raise BadTrace(f"line {number} of the trace has a service time below 0: {seconds:g}")
    return Arrival(at, seconds)


def _from_buckets(
    rows: Sequence[tuple[int, Mapping[str, Any]]], columns: tuple[str, str, str | None, str | None], reading: Reading, rng: Random
) -> list[Arrival]:
    arrival, count, service, variation = columns
    times = [_time(number, row.get(arrival)) for number, row in rows]
    counts = [_number(number, row.get(count)) for number, row in rows]
    if len(rows) < 2:
        raise BadTrace("the trace has one bucket of time: two or more tell how long they are")
    for (number, _), (earlier, later) in zip(rows[1:], pairwise(times), strict=True):
        if later <= earlier:
            raise BadTrace(f"line {number} of the trace has a bucket of time that is not after the one before")
    for (number, _), jobs in zip(rows, counts, strict=True):
        if jobs < 0:
            raise BadTrace(f"line {number} of the trace has fewer than 0 jobs: {jobs:g}")
    widths = [later - earlier for earlier, later in pairwise(times)]
    widths.append(widths[-1])
    rates = counts if count.lower() in RATE else [n / width for n, width in zip(counts, widths, strict=True)]
    usual = 1.0 if reading.service is None else reading.service
    means = [usual if service is None else _number(number, row.get(service)) for number, row in rows]
    varying = [reading.variation if variation is None else _number(number, row.get(variation)) for number, row in rows]
    if min(means) <= 0 or min(varying) < 0:
        raise BadTrace("a bucket's service time must be more than 0, and its variation not below")
    mean = sum(map(mul, means, counts)) / sum(counts) if sum(counts) else usual
    total = sum(rate * width for rate, width in zip(rates, widths, strict=True))
    scale = reading.speed
    if reading.load is not None and total > 0:
        scale = reading.load * sum(widths) / (total * mean)
    arrivals = []
    for start, width, rate, seconds, spread in zip(times, widths, rates, means, varying, strict=True):
        at, end = (start - times[0]) / reading.speed, (start - times[0] + width) / reading.speed
        while rate > 0 and (at := at + rng.expovariate(rate * scale)) < end:
            arrivals.append(Arrival(at, lognormal(seconds, spread, rng)))
    return arrivals


def _is_value(text: str) -> bool:
    try:
        _time(0, text.removeprefix("-"))
    except BadTrace:
        return False
    return True


def _time(number: int, value: Any) -> float:
    """Return seconds: of a number as they are, of a date and time since 1970, as UTC where no zone is said."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        pass
    else:
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
        if seconds < 0:
            raise BadTrace(f"line {number} of the trace has a time below 0: {value}", hint="seconds from any moment on, or dates")
        raise BadTrace(f"line {number} of the trace has no finite time: {value!r}")
    text = str(value).strip()
    head, point, fraction = text.partition(".")
    if point and fraction[:7].isdigit():  # seven digits, as .NET writes them; Python reads six
        text = f"{head}.{fraction[:6]}{fraction[7:]}"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadTrace(f"line {number} of the trace has no time: {value!r}", hint="seconds, or 2030-12-24T18:00:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _number(number: int, value: Any) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise BadTrace(f"line {number} of the trace: expected a number, got {value!r}")
    return result
