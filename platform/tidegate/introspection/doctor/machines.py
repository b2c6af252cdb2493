"""What the doctor knows of machines: the tables of the server and its disk, the clocks of nodes, and those that were lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.introspection.doctor.checks import Facts, Finding
from tidegate.plurals import noun

__all__ = ["clocks", "deaf", "disk", "loops", "lost", "tables"]

SKEWED: Final = 5.0  # seconds; a request is no slower where anything works
LOW: Final = 2**30  # bytes; a few minutes of write-ahead log at full load


def tables(facts: Facts) -> Iterator[Finding]:
    """Every table is there and may be read."""
    for name, present in facts.unreadable.items():
        yield Finding(
            "tables",
            "error",
            f"the table {name} {'may not be read by this role' if present else 'is missing'}",
            "whoever needs it fails: claims, acks, or what looks at them",
            "`tidegate db roles` prints what a role needs" if present else "restore it: `tidegate db sql` prints what makes it",
        )


def disk(facts: Facts) -> Iterator[Finding]:
    """The server's disk has room."""
    if facts.disk_free is not None and facts.disk_free < LOW:
        yield Finding(
            "disk",
            "error",
            f"{facts.disk_free / 2**20:,.0f} MiB are free on the disk of the database",
            "a server whose disk is full stops, and every job with it",
            "make room; `retention` in queues.yaml bounds what is kept of finished and dead jobs",
        )


def clocks(facts: Facts) -> Iterator[Finding]:
    """The clocks of nodes and of the database agree."""
    for node in facts.nodes:
        skew, lag = node.clock_skew, node.status.get("loop_lag")
        if skew is not None and abs(skew) > SKEWED + (lag if isinstance(lag, int | float) else 0.0):
            yield Finding(
                "clock",
                "warning",
                f"the clock of {node.host} ({node.node}) differs by {skew:+.0f} s from the database's",
                "jobs run by the database's clock and are not touched; logs and traces of that host do not fit the others",
                "have the host keep its time: chrony, systemd-timesyncd",
            )


def loops(facts: Facts) -> Iterator[Finding]:
    """Every node that beats looks at itself, too."""
    for node in facts.nodes:
        if node.blocked:
            yield Finding(
                "loop_blocked",
                "error",
                f"node {node.node} beats and says nothing of itself since {node.said_age or 0.0:.0f} s: its event loop is blocked",
                "no job of it begins or ends, and no time-out is kept, until the code that blocks it returns",
                f"tidegate workers stacks {node.node}",
            )


def deaf(facts: Facts) -> Iterator[Finding]:
    """Every node hears what it tells itself."""
    for node in facts.nodes:
        if node.status.get("deaf"):
            yield Finding(
                "deaf",
                "warning",
                f"no notifications arrive at node {node.node}",
                "its queues look for jobs four times each `poll` instead: jobs start a little later, and idle nodes cost queries",
                "give it an address that no pooler in transaction mode stands behind; its log says what it met",
            )


def lost(facts: Facts) -> Iterator[Finding]:
    """No node was lost within the last minutes."""
    for node in facts.lost:
        waiting = sum(not held["rescued"] for held in node.held)
        rest = f", {waiting} of which wait to be rescued" if waiting else ""
        yield Finding(
            "lost",
            "warning",
            f"node {node.node} was lost: its last heartbeat is {node.silent_for:.0f} s old{f' ({node.why})' if node.why else ''}; "
            f"it held {noun(len(node.held), 'job')}{rest}",
            "its process was killed or stopped, its host froze, or it was cut off from the database; its jobs are tried again",
            "tidegate workers list --lost",
        )
