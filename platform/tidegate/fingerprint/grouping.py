"""From the links of a failure to the name of its group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from types import CodeType
from typing import Final

from tidegate.failure import class_name
from tidegate.fingerprint.application import Application
from tidegate.fingerprint.links import Clean, Link, links_of, place_of_file
from tidegate.fingerprint.templates import template, words_of

__all__ = ["Fingerprint", "fingerprint", "fingerprint_of_text"]

GROUNDS: Final = 2_000  # characters; grounds are read by people
_FRAME: Final = re.compile(r'^[ |]*File "(?P<file>[^"\n]{1,1000})", line \d+, in (?P<name>[^\n]{1,200})$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The name of a group of failures."""

    id: str
    """16 hexadecimal digits."""
    coarse: str
    """The same without what was said: a group for failures that say something new each time."""
    grounds: str
    """What it was made of, for people."""


def fingerprint(
    error: BaseException,
    *,
    kind: str,
    application: Application,
    clean: Clean = str,
    also: tuple[CodeType, ...] = (),
) -> Fingerprint:
    """Return the group of `error`. Where the application's code had no part in it, the kind of the job is what tells it.

    `clean` takes out of messages what must not be kept; `also` is code whose words may be in them beside that of the traceback.
    """
    try:
        links = links_of(error, application, clean=clean, also=also)
    except Exception as broken:  # noqa: BLE001 - a hostile exception must not cost its job the report of its failure
        links = (Link(class_name(type(error)), f"unreadable: {class_name(type(broken))}", ""),)
    return _named(links, kind)


def fingerprint_of_text(
    type_: str,
    message: str,
    traceback: str = "",
    *,
    kind: str,
    application: Application,
    also: tuple[CodeType, ...] = (),
) -> Fingerprint:
    """Return the group of a failure of which only words are left: a time-out, an outcome that was returned, another process."""
    own = [match for match in _FRAME.finditer(traceback) if application.owns(match["file"])]
    place = f"{place_of_file(own[-1]['file'])}:{own[-1]['name']}" if own else ""
    return _named((Link(type_, place, template(message, words_of(also), raised=True)),), kind)


def _named(links: tuple[Link, ...], kind: str) -> Fingerprint:
    """Name the group that is told by these links."""
    of = () if any(_places(links)) else (f"of {kind}",)
    told = "\n".join([*_lines(links, said=True), *of])
    return Fingerprint(_digest(told), _digest("\n".join([*_lines(links, said=False), *of])), told[:GROUNDS])


def _lines(links: tuple[Link, ...], *, said: bool) -> list[str]:
    """Return a line for each link, the members of a group below it; without what was said, equal ones are one."""
    lines: list[str] = []
    for link in links:
        place = f" at {link.place}" if link.place else ""
        words = f": {link.message}" if said and link.message else ""
        lines.append(f"{'from ' if lines else ''}{link.type}{place}{words}")
        members = dict.fromkeys(tuple(_lines(member, said=said)) for member in link.members)
        lines += [f"| {line}" for member in sorted(members) for line in member]
    return list(dict.fromkeys(lines)) if not said else lines


def _places(links: tuple[Link, ...]) -> Iterator[bool]:
    for link in links:
        yield bool(link.place)
        for member in link.members:
            yield from _places(member)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
