"""What every contestant's job does: append when it was sent and when it began to one file, 16 bytes, in nanoseconds.

The clock is CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import os
import struct
import time

_file = os.open(os.environ["STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def stamp(sent: int) -> None:
    os.write(_file, struct.pack("<qq", sent, time.monotonic_ns()))
