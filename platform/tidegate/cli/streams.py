"""The three streams that a command was started with, made fit to be written to, whatever whoever started it left of them."""

from __future__ import annotations

import os
import sys

__all__ = ["drop_stdout", "settle"]


def settle() -> None:
    """Have all three open, and let no character of a job's text end the command.

    One that was closed (`>&-`, some supervisors of processes) leads nowhere from here on: the next file that is opened would take
    its number, and a connection to the database would be what is printed to.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # it is closed
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest number that is free: this one
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal's encoding is


def drop_stdout() -> None:
    """Let what is still to be written go nowhere, so that the interpreter's last flush does not complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
