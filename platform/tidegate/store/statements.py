"""The statements of `sql/`, read once each.

They use psycopg's placeholders (`%(name)s`) and run alike on a psycopg connection and through SQLAlchemy's `exec_driver_sql`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["statement"]


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql` without its comments, which would travel with every call."""
    text = (files("tidegate.store") / "sql" / f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
