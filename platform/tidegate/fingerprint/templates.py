"""What a message says apart from its data: `user 17 has no card` and `user 18 has no card` are one sentence.

Two ways, the better one first. Where the words of the raising code are known (the constants of its functions), what stands in the
message between them is data. Elsewhere data is told by its looks: numbers, ids, addresses, paths, quoted text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Final

__all__ = ["Words", "template", "words_of"]

LONGEST: Final = 300  # characters of the first line; what comes later is data that was appended, and regular expressions take time
ENOUGH: Final = 8  # letters of the code's own words after which the rest of a message is taken for data
DATA: Final = "<*>"
PUNCTUATION: Final = frozenset(string.punctuation + string.whitespace + "„“”‚‘’«»")

_QUOTED: Final = re.compile(
    r"(?<!\w)[bBrRuUfF]{0,2}(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|`([^`]*)`|“([^”]*)”|«([^»]*)»)(?!\w)"
)
_LOOKS: Final = tuple(
    (re.compile(pattern), name)
    for name, pattern in (
        ("<url>", r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)}]+"),
        ("<email>", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        ("<id>", r"\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b"),
        ("<address>", r"\b0[xX][0-9a-fA-F]+\b"),
        ("<time>", r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)"),
        ("<host>", r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\b[\w-]+(?:\.[\w-]+)+:\d+\b|\blocalhost:\d+\b"),
        ("<time>", r"\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\b"),
        (
            "<host>",
            r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])|(?<![\w:])(?:[0-9a-fA-F]{1,4}:)*:[0-9a-fA-F:]*\d[0-9a-fA-F:]*(?!\w)",
        ),
        ("<path>", r"(?<![\w<>])(?:~|\.{1,2})?(?:/[^\s/:;,'\"<>()\[\]{}]+)+/?|\b[A-Za-z]:\\[^\s:;,'\"<>]+"),
        ("<n>", r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?(?![\w])"),
        ("<id>", r"\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F]{8,}\b"),
        ("<id>", r"\b(?:[A-Za-z]+\d+[A-Za-z]|\d+[A-Za-z]+\d)[\w-]*"),
        ("<n>", r"\d+(?:[.,]\d+)*"),
    )
)
_REPEATED: Final = re.compile(r"((?:<[a-z*]+>: ?)?<[a-z*]+>)(?:, ?\1)+")
_HOLES: Final = re.compile(r"%(?:\(\w*\))?[#0 +-]*\d*(?:\.\d+)?[a-zA-Z%]|\{[^{}]*\}")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Words:
    """What is known of the code that may have made a message: the parts of its sentences, and its single words."""

    __slots__ = ("parts", "single", "whole")

    def __init__(self, codes: Iterable[CodeType]) -> None:
        known = [_constants(code) for code in codes]
        self.whole = frozenset(text for texts, _ in known for text in texts)
        self.parts: Sequence[str] = sorted({part for texts, _ in known for text in texts for part in _parts(text)}, key=len)[::-1]
        """The longest first."""
        self.single = self.whole | {name for _, names in known for name in names}


NO_WORDS: Final = Words(())


def words_of(codes: Iterable[CodeType]) -> Words:
    """Return the words of some functions' code."""
    codes = tuple(codes)
    return Words(codes) if codes else NO_WORDS


def template(message: str, words: Words = NO_WORDS, *, raised: bool = False) -> str:
    """Return what `message` says apart from its data; `raised`: a `raise` of the code that has these words made it."""
    line = _first_line(message)
    if line in words.whole:
        return line
    told = _between(line, words.parts) if raised else None
    return told if told is not None else _by_looks(line, words.single)


def _first_line(message: str) -> str:
    """Return the first line that says anything."""
    for line in message[: 20 * LONGEST].splitlines():
        if line.strip():
            return " ".join(line[: 4 * LONGEST].split())[:LONGEST]
    return ""


def _between(line: str, parts: Sequence[str]) -> str | None:
    """Return the line with everything between the code's own words taken for data; None where too little of it is the code's."""
    code = bytearray(len(line))
    for part in parts:
        at = line.find(part)
        while at >= 0 and not (_stands_alone(line, at, part) and not any(code[at : at + len(part)])):
            at = line.find(part, at + 1)
        if at >= 0:  # once: what is met again may be data
            code[at : at + len(part)] = b"\x01" * len(part)
    own = sum(1 for character, known in zip(line, code, strict=True) if known and character.isalpha())
    if own < ENOUGH and own * 2 < sum(map(str.isalpha, line)):
        return None
    told: list[str] = []
    data = ""
    for character, known in zip(line, code, strict=True):
        if known:
            told.append(_hole(data))
            data = ""
            told.append(character)
        else:
            data += character
    return _REPEATED.sub(r"\1", "".join([*told, _hole(data)]))


def _hole(data: str) -> str:
    """Return what stands for a piece of data; punctuation stands for itself."""
    return data if all(character in PUNCTUATION for character in data) else DATA


def _by_looks(line: str, words: frozenset[str]) -> str:
    def kept(match: re.Match[str]) -> str:
        text = next((group for group in match.groups() if group is not None), "")
        return f"'{text}'" if text in words and _WORD.fullmatch(text) else "<str>"

    line = _QUOTED.sub(kept, line)
    for looks, name in _LOOKS:
        line = looks.sub(name, line)
    return _REPEATED.sub(r"\1", line)


def _stands_alone(line: str, at: int, part: str) -> bool:
    """Tell whether a part is no piece of a longer word."""
    before, after = line[at - 1 : at], line[at + len(part) : at + len(part) + 1]
    return not (before.isalnum() and part[0].isalnum()) and not (after.isalnum() and part[-1].isalnum())


@lru_cache(maxsize=2_048)
def _constants(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts that a function's code holds, and the names of attributes and variables that it uses."""
    texts = [each for each in code.co_consts if isinstance(each, str)]
    texts += [text for each in code.co_consts if isinstance(each, tuple) for text in each if isinstance(text, str)]
    return tuple(text[: 4 * LONGEST] for text in texts), (*code.co_names, *code.co_varnames)


def _parts(text: str) -> Iterable[str]:
    """Return the pieces of a sentence in code between its holes; a bare word is none, since data may be that word."""
    for piece in _HOLES.split(text):
        part = " ".join(piece.split())
        # f-strings leave the blank beside a hole in the constant; with it a part cannot be met inside of data
        part = f"{' ' if piece[:1].isspace() else ''}{part}{' ' if piece[-1:].isspace() else ''}"
        if sum(map(str.isalpha, part)) >= 2 and not part.isidentifier():
            yield part
