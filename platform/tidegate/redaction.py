"""Secrets, taken out of what is shown and of what is stored beside a job's arguments.

A secret is told by its name (`password`, `X-Api-Key`, `cardNumber`, and what `@job(redact=[...])` names), by its looks (a private
key, a JSON web token, a card number that checks, the password of a URL), or by being the value of an argument with such a name:
then it is taken out of messages and output wherever it stands. Arguments are stored whole, since they are needed to run again;
views show them through `Redactor.call`.

Pure, and linear in what it is given: a text that is not bounded is bounded by its caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

__all__ = ["REDACTED", "SHORTEST", "SLACK", "Redactor", "is_secret_name"]

REDACTED: Final = "[redacted]"
SLACK: Final = 4_096  # characters that a text is cleaned beyond the place where it is cut, so that no cut leaves half a secret
SHORTEST: Final = 4  # characters; a shorter value stands in any text by chance
MOST: Final = 200  # values of one call that are looked for in its texts
DEEPEST: Final = 100  # levels of nesting that are walked; deeper is shown as redacted

_SPLIT: Final = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORDS: Final = frozenset(
    {
        "auth", "authorization", "bearer", "card", "cards", "cookie", "cookies", "credential", "credentials", "cvc", "cvv", "iban",
        "jwt", "otp", "pan", "pass", "passphrase", "passwd", "password", "passwords", "pin", "pwd", "secret", "secrets", "ssn",
        "token", "tokens", "totp",
    }
)  # fmt: skip
"""A name that has one of these among its words is a secret's."""
_RUNS: Final = re.compile(
    r"password|passwd|passphrase|secret|credential|authorization|apikey|accesskey|privatekey|secretkey|signingkey|encryptionkey|masterkey"
    r"|sessionid|sessionkey|accesstoken|refreshtoken|authtoken|idtoken|csrftoken|cardnumber|cardno|creditcard|connectionstring|databaseurl"
)
"""A name that has one of these, its words written together, is one, too."""
_COUNTS: Final = frozenset(
    {"count", "counts", "expires", "expiry", "length", "limit", "max", "min", "num", "size", "total", "ttl", "used"}
)
"""... unless it has one of these: it counts secrets and is none."""

_PAIR: Final = re.compile(
    r"""(?P<key>(?P<quote>\\?["']?)(?P<name>[A-Za-z_][A-Za-z0-9_.-]{1,63})(?P=quote)(?:\s{0,3}(?:=>|[=:])\s{0,3}))"""
    r"""(?P<value>b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'|\\["'][^"'\\]*\\["']|(?:[Bb]earer|[Bb]asic|[Dd]igest|[Tt]oken)\s+[^\s,;)}\]"']+|[^\s,;)}\]&"']+)"""
)
_LOOKS: Final = tuple(
    (re.compile(pattern, re.DOTALL), shown)
    for pattern, shown in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", REDACTED),
        (r"(?P<kept>\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:/@'\"]{0,100}:)[^\s/'\"]{1,500}@", rf"\g<kept>{REDACTED}@"),
        (r"(?P<kept>\b[Bb]earer\s+)[A-Za-z0-9._~+/-]{8,}=*", rf"\g<kept>{REDACTED}"),
        (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", REDACTED),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", REDACTED),
        (r"\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|sk-|[sr]k_(?:live|test)_|whsec_|AIza|npm_|pypi-)[\w-]{16,}", REDACTED),
    )
)  # fmt: skip
_CARD: Final = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])")


@lru_cache(maxsize=4_096)
def is_secret_name(name: str) -> bool:
    """Tell whether something of this name is a secret."""
    words = frozenset(_words(name))
    if words & _COUNTS:
        return False
    return bool(words & _WORDS or _RUNS.search("".join(_words(name))))


@dataclass(frozen=True, slots=True)
class Redactor:
    """What is secret about the calls of one kind: `names` beside the usual ones; `positional` are the names of its parameters."""

    names: frozenset[str] = frozenset()
    positional: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str] = (), positional: Iterable[str] = ()) -> Redactor:
        """Return the redactor of a kind that names these."""
        return cls(frozenset(_plain(name) for name in names), tuple(positional))

    def hides(self, name: str) -> bool:
        """Tell whether something of this name is a secret of this kind."""
        return is_secret_name(name) or bool(self.names and _plain(name) in self.names)

    def value(self, value: Any, *, secrets: Sequence[str] = ()) -> Any:
        """Return a JSON value with every secret in it replaced, whatever its depth."""
        return self._value(value, secrets, 0)

    def call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a call as they may be shown."""
        secrets = self.secrets(args, kwargs)
        named = zip(self._places(args), args, strict=True)
        shown = [REDACTED if self._hides_value(name, value) else self._value(value, secrets, 0) for name, value in named]
        return shown, self._value(dict(kwargs), secrets, 0)

    def secrets(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the texts that stand for this call's secrets, in every way of writing them, the longest first."""
        found: dict[str, None] = {}
        for value in self._hidden(args, kwargs):
            for text in _writings(value):
                found.setdefault(text)
            if len(found) >= MOST:
                break
        return tuple(sorted(found, key=len, reverse=True))

    def text(self, text: str, *, secrets: Sequence[str] = ()) -> str:
        """Return a text without these secrets, without values beside names of secrets, and without what looks like one."""
        for secret in secrets:
            text = text.replace(secret, REDACTED)
        for looks, shown in _LOOKS:
            text = looks.sub(shown, text)
        text = _CARD.sub(_card, text)
        return _PAIR.sub(self._pair, text)

    def _value(self, value: Any, secrets: Sequence[str], depth: int) -> Any:
        if depth > DEEPEST:
            return REDACTED
        match value:
            case str():
                return self.text(value, secrets=secrets)
            case Mapping():
                return {
                    key: REDACTED if self._hides_value(key, inner) else self._value(inner, secrets, depth + 1)
                    for key, inner in value.items()
                }
            case list() | tuple():
                return [self._value(inner, secrets, depth + 1) for inner in value]
            case _:
                return value

    def _hides_value(self, name: Any, value: Any) -> bool:
        """A flag or nothing at all (`token: null`) gives nothing away."""
        return isinstance(name, str) and value is not None and not isinstance(value, bool) and self.hides(name)

    def _places(self, args: Sequence[Any]) -> Sequence[str]:
        return [*self.positional[: len(args)], *[""] * (len(args) - len(self.positional))]

    def _hidden(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the values that are secrets by their names, out of whatever holds them."""
        pending: list[tuple[str, Any, int]] = [*((name, value, 0) for name, value in zip(self._places(args), args, strict=True))]
        pending += [(name, value, 0) for name, value in kwargs.items()]
        while pending:
            name, value, depth = pending.pop()
            if self._hides_value(name, value):
                yield from _leaves(value)
            elif depth < DEEPEST and isinstance(value, Mapping):
                pending += [(str(key), inner, depth + 1) for key, inner in value.items()]
            elif depth < DEEPEST and isinstance(value, list | tuple):
                pending += [("", inner, depth + 1) for inner in value]

    def _pair(self, match: re.Match[str]) -> str:
        return f"{match['key']}{REDACTED}" if self.hides(match["name"]) else match[0]


def _words(name: str) -> list[str]:
    return [word.lower() for word in _SPLIT.split(name) if word]


def _plain(name: str) -> str:
    return "".join(_words(name))


def _leaves(value: Any) -> Iterator[str | int | float]:
    match value:
        case bool() | None:
            return
        case str() | int() | float():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from _leaves(inner)
        case _:
            yield str(value)


def _writings(value: str | float) -> Iterator[str]:
    """Yield the ways in which a value stands in a text: as it is, in JSON, in a repr, in a URL."""
    text = str(value)
    if len(text) < SHORTEST:
        return
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield quote(text, safe="", errors="replace")


def _card(match: re.Match[str]) -> str:
    """A number is taken for a card's if its check digit is right."""
    digits = [int(character) for character in match[0] if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return REDACTED if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]
