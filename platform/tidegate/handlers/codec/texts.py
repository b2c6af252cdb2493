"""The types that are written as one string: dates and times, Decimal, UUID, bytes, paths.

A datetime in a ZoneInfo keeps its zone, as RFC 9557 writes it: `2024-10-27T02:30:00+01:00[Europe/Berlin]`. Any other tzinfo comes
back as the fixed offset that it stood for: the same instant, equal to what was sent. `[_fold=1]` marks the second of two equal
wall-clock times.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from tidegate.handlers.codec.contract import Codec, Mismatch
from tidegate.handlers.codec.scalars import Text

__all__ = ["TEXTS"]

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT: Final = re.compile(r"(?P<iso>[^\[]+)(\[(?P<zone>[A-Za-z0-9_+/.-]+)\])?(?P<fold>\[_fold=1\])?", re.ASCII)
_DURATION: Final = re.compile(
    r"(?P<sign>[+-])?P(?=[\dT])((?P<weeks>\d+)W)?((?P<days>\d+)D)?"
    r"(T(?=\d)((?P<hours>\d+)H)?((?P<minutes>\d+)M)?((?P<seconds>\d+)(\.(?P<fraction>\d{1,6}))?S)?)?",
    re.ASCII,
)


def _read_date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _write_moment(value: datetime | time) -> str:
    text = value.isoformat()
    if isinstance(value.tzinfo, ZoneInfo):
        if not value.tzinfo.key:
            raise Mismatch("a ZoneInfo without a key cannot be found again")
        text += f"[{value.tzinfo.key}]"
    elif value.tzinfo is not None and value.utcoffset() is None:
        raise Mismatch(f"the offset of its {type(value.tzinfo).__name__} is not known without a date; use a ZoneInfo or timezone")
    return text + "[_fold=1]" * value.fold


def _read_datetime(text: str) -> datetime:
    match = _MOMENT.fullmatch(text)
    if match is None or ("T" not in match["iso"].upper() and " " not in match["iso"]):
        raise ValueError(text)
    moment = datetime.fromisoformat(match["iso"]).replace(fold=1 if match["fold"] else 0)
    if match["zone"] is None:
        return moment
    zoned = moment.replace(tzinfo=_zone(match["zone"]))
    if moment.tzinfo is None or zoned.utcoffset() == moment.utcoffset():
        return zoned
    return moment.astimezone(zoned.tzinfo)  # the zone's rules have changed since: the instant is what was meant


def _read_time(text: str) -> time:
    match = _MOMENT.fullmatch(text)
    if match is None or ":" not in match["iso"]:
        raise ValueError(text)
    moment = time.fromisoformat(match["iso"]).replace(fold=1 if match["fold"] else 0)
    return moment if match["zone"] is None else moment.replace(tzinfo=_zone(match["zone"]))


def _zone(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (KeyError, OSError) as error:  # not found is a KeyError; a folder of zones opened as a zone is an OSError
        raise ValueError(key) from error


def _write_timedelta(value: timedelta) -> str:
    whole = abs(value)
    fraction = f".{whole.microseconds:06d}" if whole.microseconds else ""
    days = f"{whole.days}D" if whole.days else ""
    return f"{'-' if value.days < 0 else ''}P{days}T{whole.seconds}{fraction}S"


def _read_timedelta(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    parts = {name: int(match[name] or 0) for name in ("weeks", "days", "hours", "minutes", "seconds")}
    value = timedelta(**parts, microseconds=int((match["fraction"] or "").ljust(6, "0")))
    return -value if match["sign"] == "-" else value


def _read_bytes(text: str) -> bytes:
    return base64.b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _text(cls: type, write: Callable[[Any], str], read: Callable[[str], Any], looks: str, **more: Any) -> Codec:
    return Text(cls.__name__, cls, write, read, looks=looks, **more)


def _path(cls: type[PurePath]) -> Codec:
    return Text(cls.__name__, type(cls()), str, cls, looks="a path")


TEXTS: Final[dict[type, Codec]] = {
    date: _text(date, date.isoformat, _read_date, "YYYY-MM-DD"),
    datetime: _text(datetime, _write_moment, _read_datetime, "YYYY-MM-DDTHH:MM:SS"),
    time: _text(time, _write_moment, _read_time, "HH:MM:SS"),
    timedelta: _text(timedelta, _write_timedelta, _read_timedelta, "PT90S, or seconds", number=lambda raw: timedelta(seconds=raw)),
    Decimal: _text(Decimal, str, Decimal, "a number as text", number=lambda raw: Decimal(str(raw))),
    Fraction: _text(Fraction, str, Fraction, "1/3"),
    UUID: _text(UUID, str, UUID, "32 hexadecimal digits"),
    bytes: _text(bytes, _write_bytes, _read_bytes, "base64"),
    bytearray: _text(bytearray, lambda value: _write_bytes(bytes(value)), lambda text: bytearray(_read_bytes(text)), "base64"),
    **{cls: _path(cls) for cls in (PurePath, PurePosixPath, PureWindowsPath, Path, type(Path()))},
}
"""The codec of each type that is written as one string."""
