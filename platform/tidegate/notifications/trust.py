"""Whom TLS trusts: read once, in a thread, for it takes tens of milliseconds in which no job would get on."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

__all__ = ["tls"]


async def tls() -> ssl.SSLContext:
    """Return the context of every connection with TLS: certificates are checked against the system's authorities."""
    return await asyncio.to_thread(_context)


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
