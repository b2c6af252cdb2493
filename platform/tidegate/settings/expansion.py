"""`${NAME}` and `${NAME:-default}` in the texts of queues.yaml, replaced from the environment; `$${` stands for `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["REFERENCE_PATTERN", "expand"]

REFERENCE_PATTERN: Final = "[$][{][A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?[}]"

_REFERENCE = re.compile(r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<otherwise>:-[^}]*)?\}|(?P<broken>\$\{)")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with its references replaced; raise ValueError for one that is malformed, or unset and without a default.

    As in a shell, a default stands in for a variable that is empty, too. What a variable holds is not searched again.
    """

    def replacement(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match["escaped"]
        if match["broken"]:
            raise ValueError("${ without a name: write ${NAME} or ${NAME:-default}, and $${ for the characters themselves")
        name, otherwise = match["name"], match["otherwise"]
        if otherwise is not None:
            return environ.get(name) or otherwise.removeprefix(":-")
        if name not in environ:
            raise ValueError(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return environ[name]

    return _REFERENCE.sub(replacement, text)
