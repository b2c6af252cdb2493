"""The words for a process that took its job with it: how it ended, whether memory was why, what it said last. Pure.

That the kernel killed a process for want of memory shows in nothing but a counter of the whole machine (`oom_kills`): a SIGKILL
that nobody here sent, while that counter went up, is taken for one.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Final

from tidegate.jobs import Failure
from tidegate.lifecycle import Ack
from tidegate.runtime.processes.wire import LOST_CHANNEL
from tidegate.supervision.capture import Captured

__all__ = ["Death", "explained", "failure_of", "oom_kills", "size", "where"]

VMSTAT: Final = Path("/proc/vmstat")
LAST_WORDS: Final = 2_000  # characters of stderr in which a reason is looked for
HUNG_UP: Final = "its process closed the channel to its node"
NO_ANSWER: Final = "its process said what is no answer"
OURS: Final = tuple(f"{Path(__file__).parents[2]}/{part}" for part in ("runtime/", "handlers/handler.py", "supervision/"))
OUT_OF_MEMORY: Final = ("MemoryError", "std::bad_alloc", "Cannot allocate memory", "Out of memory")


@dataclass(frozen=True, slots=True)
class Death:
    """What is known of a process that ended with its job in hand."""

    returncode: int
    peak_rss: int
    """The most memory that it used, in bytes."""
    peak_is_exact: bool
    """Else it used no more than that."""
    captured: Captured
    memory: int
    """The bytes that it was allowed; 0: no limit."""
    oom_kill: bool
    """Whether the kernel killed a process for want of memory meanwhile."""
    fault: str
    """What its node killed it for; empty where the node did not."""


def failure_of(death: Death) -> Failure:
    """Return what is kept of the crash."""
    facts = [_how(death)]
    if death.peak_rss:
        facts.append(f"peak memory {'' if death.peak_is_exact else 'at most '}{size(death.peak_rss)}")
    if death.memory:
        facts.append(f"allowed {size(death.memory)}")
    return Failure("Crashed", "; ".join(facts), _story(death.captured))


def explained(ack: Ack, memory: int) -> Ack:
    """Return `ack` with a MemoryError, whose message is mostly empty, put into words."""
    failure = ack.failure
    if failure is None or not failure.type.endswith("MemoryError") or failure.message.startswith("out of memory"):
        return ack
    limit = f"; its process may use {size(memory)}" if memory else ""
    return replace(ack, failure=replace(failure, message=f"out of memory: {failure.message or 'an allocation failed'}{limit}"))


def oom_kills() -> int | None:
    """Return how often the kernel has killed for want of memory since this machine runs; None where it does not tell."""
    try:
        text = VMSTAT.read_text("ascii")
    except OSError:
        return None
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), None)


def size(number: int) -> str:
    """Return bytes for people to read."""
    value = float(number)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"


def _how(death: Death) -> str:
    if death.fault:
        return death.fault
    if death.returncode == LOST_CHANNEL:
        return HUNG_UP
    if death.returncode >= 0:
        how = f"its process ended with exit code {death.returncode}"
    else:
        how = f"its process was ended by {_signal(-death.returncode)}"
    if death.returncode == -signal.SIGKILL:
        if death.oom_kill:
            return f"out of memory: {how}, by the kernel"
        return f"{how}, which its node did not send"
    said = death.captured.stderr[-LAST_WORDS:] + death.captured.words[-LAST_WORDS:]
    return f"out of memory: {how}" if death.returncode and any(words in said for words in OUT_OF_MEMORY) else how


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} ({signal.strsignal(number)})"


def where(words: str) -> str:
    """Return what faulthandler wrote without what is ours: the frames around the handler, the thread that watches the node."""
    blocks = (_without_ours(block) for block in words.strip().split("\n\n"))
    return "\n\n".join(block for block in blocks if block)


def _without_ours(block: str) -> str:
    title, *frames = block.split("\n")
    if "most recent call first" not in title:
        return block
    theirs = list(takewhile(lambda line: not any(part in line for part in OURS), frames))
    return "\n".join([title, *theirs]) if theirs else ""


def _story(captured: Captured) -> str:
    stderr = f"The last of its stderr:\n{captured.stderr}" if captured.stderr else ""
    return "\n".join(part for part in (where(captured.words), stderr) if part)
