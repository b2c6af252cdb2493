"""Times and sizes as people write them: `30`, `1.5s`, `1h30m`; `1024`, `64KiB`, `2GiB`.

`Duration` and `Size` are the types that the settings use: seconds as a float, bytes as an int. What could mean two things (`10k`,
`5M`, `1:30`) is refused with the ways to say it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

from tidegate.settings.words import shown

__all__ = ["Duration", "Size", "format_duration", "format_size", "parse_duration", "parse_size"]

LONGEST: Final = 10 * 365 * 86_400  # seconds; a longer wait is a typing error, and what is below fits every clock and interval

SECONDS: Final = {"d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
BYTES: Final = {"B": 1} | {
    f"{letter}{suffix}": base**power for power, letter in enumerate("KMGT", start=1) for suffix, base in (("iB", 1024), ("B", 1000))
}
BYTES["kB"] = BYTES["KB"]

DURATION_FORMS: Final = "30, 30s, 1.5s, 250ms, 5m, 2h, 1d or 1h30m"
SIZE_FORMS: Final = "1024, 64KiB, 1MiB, 2GiB or 1MB"
_N = "[0-9]+([.][0-9]+)?"
_UNITS = ("d", "h", "m", "s", "ms")
DURATION_PATTERN: Final = "^({})$".format(
    # A bare number, or units from large to small, each once, a fraction only in the last.
    "|".join([_N, *("".join(f"([0-9]+{larger})?" for larger in _UNITS[:at]) + _N + unit for at, unit in enumerate(_UNITS))])
)
SIZE_PATTERN: Final = f"^({_N}([kKMGT]?B|[KMGT]iB)|[0-9]+)$"

_PART = re.compile("([0-9.]+)([a-z]*)")
_SIZE = re.compile("([0-9]+(?:[.][0-9]+)?)([A-Za-z]*)")


def parse_duration(value: Any) -> float:
    """Return the seconds that `value` means, a number of them or a text such as `1h30m`; raise ValueError where it is neither."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(f"expected a time such as {DURATION_FORMS}; got {shown(value)}")
    if seconds < 0:
        raise ValueError(f"a time cannot be negative; got {shown(value)}")
    if seconds > LONGEST:
        raise ValueError(f"a time cannot be longer than ten years; got {shown(value)}")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as exactly `seconds`."""
    rest, text = Decimal(repr(float(seconds))), ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, SECONDS[unit])
        text += f"{count:f}{unit}" if count else ""
    if 0 < rest < 1 and rest % SECONDS["ms"] == 0:
        return f"{text}{rest / SECONDS['ms']:.0f}ms"
    return f"{text}{_plain(rest)}s" if rest or not text else text


def parse_size(value: Any) -> int:
    """Return the bytes that `value` means, a number of them or a text such as `2GiB`; raise ValueError where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"a size cannot be negative; got {value}")
        return value
    written = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        raise ValueError(f"expected a size such as {SIZE_FORMS}; got {shown(value)}")
    number, unit = written.groups()
    if unit not in BYTES and unit:
        raise ValueError(_unknown_unit(number, unit))
    size = Decimal(number) * BYTES[unit or "B"]
    if size % 1:
        raise ValueError(f"a size is a whole number of bytes; got {shown(value)}")
    return int(size)


def format_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads as exactly `size`."""
    exact = [(size // BYTES[unit], unit) for unit in ("TiB", "GiB", "MiB", "KiB") if size and size % BYTES[unit] == 0]
    return f"{exact[0][0]}{exact[0][1]}" if exact else str(size)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"title": "time", "type": ["number", "string"], "minimum": 0, "pattern": DURATION_PATTERN}),
]
"""Seconds; written as a number or as a text."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"title": "size", "type": ["integer", "string"], "minimum": 0, "pattern": SIZE_PATTERN}),
]
"""Bytes; written as a number or as a text."""


def _seconds(value: Any) -> Decimal | None:
    match value:
        case bool():
            return None
        case int() | float() if abs(value) < float("inf"):  # which NaN is not, either
            return Decimal(repr(value))
        case str() if re.fullmatch(DURATION_PATTERN, value):
            return sum((Decimal(number) * SECONDS[unit or "s"] for number, unit in _PART.findall(value)), Decimal(0))
        case _:
            return None


def _unknown_unit(number: str, unit: str) -> str:
    letter = unit[0].upper()
    if letter in "KMGT" and unit.lower() in {letter.lower(), f"{letter}b".lower(), f"{letter}ib".lower()}:
        return (
            f"{number}{unit} could be read in two ways; write {number}{letter}B (powers of 1,000) or {number}{letter}iB (of 1,024)"
        )
    return f"unknown unit {unit}; write a size such as {SIZE_FORMS}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
