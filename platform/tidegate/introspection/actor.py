"""Who acts by hand, where nobody says."""

from __future__ import annotations

import getpass
import socket

__all__ = ["whoami"]


def whoami() -> str:
    """Return who is at work here, as user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
