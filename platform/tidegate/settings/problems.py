"""What is wrong with the settings: each problem with the place where it was written, all of them in one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.errors import ConfigurationError
from tidegate.settings.words import Path, dotted

__all__ = ["InvalidSettings", "Place", "Problem"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something was written: a file with line and column (from 1), or a source that has none."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `queues.yaml:14:5`, or the source alone."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    @property
    def in_short(self) -> str:
        """Return `queues.yaml:14`, or the source alone."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot hold."""

    place: Place
    path: Path
    sentence: str

    def __str__(self) -> str:
        """Return the line that is printed: place, key, sentence."""
        return ": ".join(part for part in (str(self.place), dotted(self.path), self.sentence) if part)


class InvalidSettings(ConfigurationError):
    """The settings cannot hold; `problems` has every reason, and the message one line for each."""

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = tuple(problems)
