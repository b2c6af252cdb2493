"""The statements of `sql/`, read once each.

They use psycopg's placeholders (`%(name)s`) and run alike on a psycopg connection and through SQLAlchemy's `exec_driver_sql`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["PARTS", "statement"]


PARTS: Final = ("letters_matching",)
"""What several statements have in common, so that it is written once; they name it as `{{letters_matching}}`."""
_PART: Final = re.compile(r"\{\{([a-z_]+)\}\}")


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql` without its comments, which would travel with every call, and with its parts in place."""
    text = (files("tidegate.store") / "sql" / f"{name}.sql").read_text("utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return _PART.sub(lambda match: f"({statement(match[1])})", plain)
