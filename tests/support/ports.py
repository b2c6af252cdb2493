"""Ports that nobody takes between the moment when a test chooses one and the moment when it listens on it."""

from __future__ import annotations

import itertools
import os
import socket

__all__ = ["free_port"]

# Below what systems hand out to whoever asks for any port (32768 on Linux, 49152 elsewhere), each process in a range of its own.
_numbers = itertools.cycle(range(100))


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens, and which no other test process will choose."""
    first = 12_000 + os.getpid() % 200 * 100
    for number in itertools.islice(_numbers, 100):
        try:
            with socket.create_server(("127.0.0.1", first + number)):
                return first + number
        except OSError:
            continue
    raise RuntimeError(f"no port from {first} to {first + 99} is free")
