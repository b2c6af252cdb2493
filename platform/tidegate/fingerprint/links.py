"""An exception read as a chain of links: each with its class, the place of the application that it came from, and what it says.

Reading is bounded and survives exceptions that lie about themselves: of a deep recursion the cycle is read, of a long chain the
first links, of a large group its distinct members.
"""

from __future__ import annotations

import linecache
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from types import CodeType, TracebackType
from typing import Any, Final

from tidegate.failure import class_name, message_of
from tidegate.fingerprint.application import Application
from tidegate.fingerprint.templates import template, words_of

__all__ = ["Link", "links_of", "place_of_file"]

CHAIN: Final = 20  # distinct links; a chain that is longer says nothing more
STEPS: Final = 1_000  # links that are looked at; one that closes on itself is left by this
MEMBERS: Final = 200  # exceptions of a group that are looked at
DEPTH: Final = 5  # groups within groups
FRAMES: Final = 50_000  # frames that are walked; beyond any recursion limit that is sane
CODES: Final = 60  # functions of the stack whose words are known
COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})  # newer Pythons have no frame for most

PARSERS: Final = frozenset({"re", "struct", "zlib", "lzma", "_csv", "xml.parsers.expat", "configparser", "_pickle"})
_NUMBERS: Final = re.compile(r"\d+")

Clean = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Link:
    """One exception of a chain, without anything that changes with the data."""

    type: str
    place: str
    """Where it came from in the application's code; empty where that had no part in it."""
    message: str
    members: tuple[tuple[Link, ...], ...] = ()
    """The chains of the exceptions of a group, each kind of them once, in the order of their words."""


def links_of(
    error: BaseException, application: Application, *, clean: Clean, also: tuple[CodeType, ...] = (), depth: int = 0
) -> tuple[Link, ...]:
    """Return the chain of `error`, the outermost link first; equal links are one."""
    chain: dict[Link, None] = {}
    for each in islice(_chain(error), STEPS):
        chain.setdefault(_link(each, application, clean, also, depth))
        if len(chain) >= CHAIN:
            break
    return tuple(chain)


def place_of_file(filename: str) -> str:
    """Return a file as it is named on every machine: the last folder and the module."""
    path = PurePath(filename.replace("\\", "/"))
    return "/".join(part for part in (path.parent.name, path.stem) if part)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from or while handling, as a traceback would show them."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        cause = _read("__cause__", at)
        at = cause if cause is not None or _read("__suppress_context__", at) else _read("__context__", at)


def _read(name: str, error: BaseException) -> Any:
    """Return what Python itself keeps with an exception, past whatever its class has put in the place of it."""
    return vars(BaseException)[name].__get__(error)


def _link(error: BaseException, application: Application, clean: Clean, also: tuple[CodeType, ...], depth: int) -> Link:
    stack = _Stack(_read("__traceback__", error), application)
    cls = type(error)
    if issubclass(cls, RecursionError):  # where in the circle the limit was met, and what Python says then, is chance
        return Link(_name(cls), " ".join(stack.circle()), "")
    message = message_of(error)
    members: tuple[tuple[Link, ...], ...] = ()
    if isinstance(error, BaseExceptionGroup):
        message = BaseExceptionGroup.message.__get__(error)  # without the number of its members
        members = _members(error, application, clean, also, depth) if depth < DEPTH else ()
    said = ""
    if stack.raised or not stack.line or not _is_about_data(cls):
        words = words_of((*stack.codes, *_own_code(cls), *also))
        said = template(clean(message), words, raised=stack.raised or not stack.codes)
    return Link(_name(cls), stack.place(), said, members)


def _members(
    group: BaseExceptionGroup[Any], application: Application, clean: Clean, also: tuple[CodeType, ...], depth: int
) -> tuple[tuple[Link, ...], ...]:
    inside: tuple[BaseException, ...] = BaseExceptionGroup.exceptions.__get__(group)
    distinct = {links_of(each, application, clean=clean, also=also, depth=depth + 1) for each in inside[:MEMBERS]}
    return tuple(sorted(distinct, key=repr)[:CHAIN])


def _is_about_data(cls: type[BaseException]) -> bool:
    """Tell whether a library's exception of this class tells what a parser met, which is another thing with other data."""
    return issubclass(cls, ValueError | SyntaxError) or cls.__module__ in PARSERS


def _name(cls: type[BaseException]) -> str:
    """Return the name of a class; of one that was made on the fly without its numbers."""
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return class_name(cls) if found is cls else _NUMBERS.sub("<n>", class_name(cls))


class _Stack:
    """The application's part of a traceback."""

    def __init__(self, trace: TracebackType | None, application: Application) -> None:
        self._own: dict[CodeType, TracebackType] = {}
        """The application's functions, each with its innermost frame, the innermost function last."""
        self._times: Counter[CodeType] = Counter()
        last: CodeType | None = None
        for step in islice(_steps(trace), FRAMES):
            last = code = step.tb_frame.f_code
            if application.owns(code.co_filename) and code.co_name not in COMPREHENSIONS:
                self._own.pop(code, None)
                self._own[code] = step
                self._times[code] += 1
        self._within = last is not None and application.owns(last.co_filename)
        self.line = self._source(self._own[next(reversed(self._own))]) if self._own else ""
        """The statement of the innermost function that was under way, where its source is known."""

    @property
    def codes(self) -> tuple[CodeType, ...]:
        """The code of these functions, the innermost ones."""
        return tuple(islice(reversed(self._own), CODES))

    @property
    def raised(self) -> bool:
        """Whether the application raised it itself, by a statement."""
        return self._within and (not self.line or self.line.startswith(("raise", "assert")))

    def place(self) -> str:
        """Return what tells where it came from.

        Of what the application raised the raising function is enough. What a library raised is told by two functions, since the
        innermost may be one through which everything goes; and what a statement other than `raise` met by that line.
        """
        if not self._own:
            return ""
        innermost = list(islice(reversed(self._own), 1 if self._within else 2))
        line = "" if self.raised and not self.line.startswith("assert") else self.line
        return " < ".join(map(_function, innermost)) + (f" [{line}]" if line else "")

    def circle(self) -> list[str]:
        """Return the functions that call each other without an end; all of them where none was met twice."""
        around = [code for code, times in self._times.items() if times > 1] or list(self._own)
        return sorted({_function(code) for code in around})

    @staticmethod
    def _source(step: TracebackType) -> str:
        frame = step.tb_frame
        return " ".join(linecache.getline(frame.f_code.co_filename, step.tb_lineno, frame.f_globals).split())


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _function(code: CodeType) -> str:
    return f"{place_of_file(code.co_filename)}:{code.co_qualname}"


def _own_code(cls: type[Any]) -> Iterator[CodeType]:
    """Yield the code of an exception class that words its message itself."""
    for base in islice(cls.__mro__, 10):
        for name in ("__init__", "__str__", "__new__"):
            code = getattr(base.__dict__.get(name), "__code__", None)
            if isinstance(code, CodeType):
                yield code
