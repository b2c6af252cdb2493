"""Two dead letters side by side: what is the same, and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegate.dead_letters.letters import LetterDetail

__all__ = ["Difference", "compare"]

DEEPEST: Final = 20
OWN: Final = frozenset(
    {
        "id",
        "job_id",
        "died_at",
        "enqueued_at",
        "run_at",
        "lease",
        "attempts",
        "retried_as",
        "retry_of",
        "died_again_as",
        "alike",
        "origin",
    }
)  # fmt: skip
"""What is a letter's own, so that it tells nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two letters differ: `path` in dots, and what each has there; None: nothing."""

    path: str
    first: Any
    second: Any

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"path": self.path, "first": self.first, "second": self.second}


def compare(first: LetterDetail, second: LetterDetail) -> list[Difference]:
    """Return the differences of two letters, as they are shown: the error first, then the call, then what else was true."""
    one, other = first.as_json(), second.as_json()
    one["last_traceback"], other["last_traceback"] = _traceback(first), _traceback(second)
    names = [name for name in dict.fromkeys((*_FIRST, *one, *other)) if name not in OWN]
    return [found for name in names for found in _differences(name, one.get(name), other.get(name), 0)]


_FIRST: Final = (
    "kind",
    "queue",
    "reason",
    "error",
    "fingerprint",
    "last_traceback",
    "args",
    "kwargs",
    "stored",
    "meta",
    "forensics",
)


def _differences(path: str, first: Any, second: Any, depth: int) -> Iterator[Difference]:
    if first == second:
        return
    if isinstance(first, Mapping) and isinstance(second, Mapping) and depth < DEEPEST:
        for key in dict.fromkeys((*first, *second)):
            yield from _differences(f"{path}.{key}", first.get(key), second.get(key), depth + 1)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second) and depth < DEEPEST:
        for at, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(f"{path}[{at}]", one, other, depth + 1)
    else:
        yield Difference(path, first, second)


def _traceback(detail: LetterDetail) -> str | None:
    return detail.attempts[-1].traceback if detail.attempts else None
