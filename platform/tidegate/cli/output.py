"""Words to standard error, data to standard output.

What comes out of the tables is other people's text: control characters, and those that turn the direction of writing, are shown as
escapes, so that a job's argument cannot move the cursor, colour the screen or hide what it says.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import click

__all__ = ["data", "emit_json", "neutral", "say"]

_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_LINES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def neutral(text: str, *, lines: bool = False) -> str:
    """Return `text` with everything that would act on a terminal written out; line breaks and tabs too, unless `lines`."""
    return (_LINES if lines else _UNSEEN).sub(_escape, text)


def say(words: str) -> None:
    """Write words for people to standard error."""
    click.echo(neutral(words, lines=True), err=True)


def data(text: str) -> None:
    """Write data to standard output."""
    click.echo(neutral(text, lines=True))


def emit_json(value: Any) -> None:
    """Write one JSON value to standard output, in ASCII, whatever the terminal's encoding is."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
