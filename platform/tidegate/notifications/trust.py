"""Whom TLS trusts: read once, in a thread, for it takes tens of milliseconds in which no job would get on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from functools import cache

__all__ = ["tls", "why_no_tls"]


async def tls() -> ssl.SSLContext:
    """Return the context of every connection with TLS: certificates are checked against the system's authorities."""
    return await asyncio.to_thread(_context)


def why_no_tls(error: BaseException) -> str | None:
    """Return why there was no connection with TLS, and the way out; None where an error is of something else."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted: {each.verify_message}"
                " (SSL_CERT_FILE names the certificate of an authority of your own)"
            )
        if isinstance(each, ssl.SSLError) and each.reason == "WRONG_VERSION_NUMBER":
            return "there is no TLS on this port: an address of http:// or smtp:// begins without it"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
