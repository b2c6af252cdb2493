"""What lies in the table as JSON, read so that whatever it is can be shown.

Anybody may have written a row. What Python cannot hold as a value that goes back to standard JSON (a number beyond every float, a
nesting beyond every stack, text that is no JSON) is shown as the text that it is.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

__all__ = ["call_parts", "readable"]

DEEPEST: Final = 200  # levels of nesting; far above any real argument, far below Python's stack
LONGEST_NUMBER: Final = 4_000  # digits; Python refuses to read integers above 4,300
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def readable(text: str | None) -> Any:
    """Return the value of a JSON text, such that `json.dumps` of it is standard JSON; the text itself where that cannot be."""
    if text is None:
        return None
    if _depth(text) > DEEPEST:
        return text
    try:
        return json.loads(text, parse_float=_number, parse_int=_integer, parse_constant=str)
    except ValueError:
        return text


def call_parts(text: str) -> tuple[list[Any] | None, dict[str, Any] | None]:
    """Return the positional and the named arguments of a stored call; (None, None) where it is not in Tidegate's form."""
    call = readable(text)
    if not isinstance(call, dict) or not call.keys() <= {"args", "kwargs"}:
        return None, None
    args, kwargs = call.get("args", []), call.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return None, None
    return args, kwargs


def _depth(text: str) -> int:
    """Return how deep the brackets go."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0
    deepest = depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _number(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text
