"""The address of the database: what is accepted, and how it is shown without its password."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from tidegate.settings.words import shown

__all__ = ["EMBEDDED", "mask_url", "parse_database"]

EMBEDDED: Final = "embedded"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+[A-Za-z0-9_]+)?://")
_SECRET = re.compile(r"((?:ssl)?password\s*=\s*)('(?:\\.|[^'\\])*'|[^\s&]+)", re.IGNORECASE)


def parse_database(value: Any) -> str:
    """Return `embedded` or a `postgresql://` address; raise ValueError for anything else, never with the password in it.

    `postgres://` and a driver (`postgresql+asyncpg://`), as applications write them for themselves, are brought to that form.
    """
    if value == EMBEDDED:
        return EMBEDDED
    scheme = _SCHEME.match(value) if isinstance(value, str) else None
    if scheme is None:
        shape = mask_url(value) if isinstance(value, str) else value
        raise ValueError(f"expected embedded or postgresql://user:password@host:port/name; got {shown(shape)}")
    if scheme[1] not in {"postgresql", "postgres"}:
        raise ValueError(f"Tidegate works on PostgreSQL only; got a {scheme[1]}:// address")
    url = f"postgresql://{value[scheme.end() :]}"
    _check(url)
    return url


def mask_url(url: str) -> str:
    """Return `url` with every password in it replaced by `***`, whatever else may be wrong with it."""
    scheme, separator, rest = url.partition("://")
    if separator and "@" in rest:
        # The last @, since a password that was not encoded may hold others, and a / too.
        user, _, place = rest.rpartition("@")
        name, colon, _ = user.partition(":")
        rest = f"{name}:***@{place}" if colon else f"{user}@{place}"
    return _SECRET.sub(r"\1***", f"{scheme}{separator}{rest}")


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = "@" not in parts.path and ("," in parts.netloc or parts.port != 0)  # several hosts are libpq's business
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"not a valid address ({mask_url(url)}); encode special characters of the password with %XX")
