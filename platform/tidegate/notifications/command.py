"""The command: a program of the operator's, without a shell; the notification is JSON on its standard input and nowhere else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from tidegate.notifications.undelivered import Undelivered
from tidegate.notifications.wording import line, plain
from tidegate.supervision.reaping import over, reap

__all__ = ["run_command"]

KEPT: Final = 2_000  # bytes of the end of what it says
READ: Final = 65_536


async def run_command(words: Sequence[str], told: Mapping[str, Any], *, folder: Path) -> None:
    """Run it to its end; Undelivered unless it exits with 0. Cancelled, it is killed, with all that it started."""
    text = json.dumps({**told, "text": plain(told)}).encode() + b"\n"
    said = bytearray()
    with TemporaryFile() as stdin, _heard(said) as stderr:
        stdin.write(text)
        stdin.seek(0)
        try:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - it takes a millisecond; the words are the operator's own
                words, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr, cwd=folder, start_new_session=True
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise Undelivered(f"it could not be started: {line(str(error), 200)}") from None
        try:
            await over(process)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # it is not reaped, so that the group is its own
            raise
        finally:
            ended = reap(process)
    if ended.returncode:
        last = line(said.decode("utf-8", "replace"), 200)
        raise Undelivered(f"it ended with {ended.returncode}{f': {last}' if last else ''}")


@contextmanager
def _heard(last: bytearray) -> Iterator[int]:
    """Yield where it may write; what it writes is read, whatever it is, and the end of it is in `last` afterwards.

    What it leaves running may keep its end open: it writes to nobody then.
    """
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def listen() -> int:
        try:
            heard = os.read(reading, READ)
        except BlockingIOError:
            return 0
        last.extend(heard)
        del last[:-KEPT]
        if not heard:
            loop.remove_reader(reading)
        return len(heard)

    loop.add_reader(reading, listen)
    try:
        yield writing
    finally:
        os.close(writing)
        for _ in range(16):  # what is in the pipe still: no more than it holds
            if not listen():
                break
        loop.remove_reader(reading)
        with suppress(OSError):
            os.close(reading)
