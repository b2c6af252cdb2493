"""What the doctor knows of a server's upkeep: vacuum, what swells, and whether its connections will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.introspection.doctor.checks import Facts, Finding
from tidegate.plurals import noun

__all__ = ["budget", "swollen", "vacuum", "wraparound"]

LATE: Final = 3_600.0  # seconds; autovacuum looks at every table once a minute
NEVER_MIND: Final = 10_000  # dead rows; a few milliseconds of any scan
SWOLLEN: Final = 128 * 2**20  # bytes; smaller indexes stay in memory whatever they hold
PER_ROW: Final = 500  # bytes; a row of any of our indexes needs less than a tenth of it
OVERDUE: Final = 1.2  # of the age at which a vacuum is forced: it should have begun, and has not got through
EACH_NODE: Final = 12  # connections: one to listen, one for heartbeats, up to ten for the rest


def vacuum(facts: Facts) -> Iterator[Finding]:
    """Autovacuum comes to every table that waits for it."""
    for each in facts.vacuums:
        name, ago = each["name"], each["vacuumed_ago"]
        without = each["watched_for"] if ago is None else ago
        if each["awaited"] is None:
            yield Finding(
                "autovacuum",
                "warning",
                f"autovacuum is switched off for {name}",
                "its dead rows are never removed",
                f"ALTER TABLE tidegate.{name} RESET (autovacuum_enabled)",
            )
        elif each["dead_tuples"] > max(2 * each["awaited"], NEVER_MIND) and without > LATE:
            yield Finding(
                "autovacuum",
                "warning",
                f"{name} has {noun(each['dead_tuples'], 'dead row')} and was {_since(ago)}, though autovacuum should come at "
                f"{each['awaited']:,.0f}",
                "it does not keep up, or is cancelled each time: scans grow slower, and tables larger",
                f"VACUUM tidegate.{name}; raise autovacuum_max_workers or lower autovacuum_vacuum_cost_delay",
                fix="vacuum" if name == "jobs" else None,
            )


def wraparound(facts: Facts) -> Iterator[Finding]:
    """No table holds rows so old that the server is about to refuse writes."""
    for each in facts.vacuums:
        if each["age"] > OVERDUE * each["most_age"]:
            yield Finding(
                "wraparound",
                "error",
                f"the oldest row of {each['name']} is {each['age']:,} transactions old; a vacuum was due at {each['most_age']:,}",
                "at two thousand million the server refuses every write",
                f"VACUUM (FREEZE) tidegate.{each['name']}, after ending what holds it up (see the findings about transactions)",
            )


def swollen(facts: Facts) -> Iterator[Finding]:
    """No index is many times larger than what is in it."""
    for each in facts.indexes:
        if each["bytes"] > max(SWOLLEN, PER_ROW * each["rows"]):
            yield Finding(
                "index_bloat",
                "warning",
                f"the index {each['name']} has {each['bytes'] / 2**20:,.0f} MiB for {each['rows']:,.0f} rows",
                "it was larger once; claims and vacuum walk over the empty pages, and they push others out of memory",
                f"REINDEX INDEX CONCURRENTLY tidegate.{each['name']}",
            )


def budget(facts: Facts) -> Iterator[Finding]:
    """The server has connections for all that the live nodes may need at once."""
    need = sum(
        EACH_NODE + len(node.queues) + sum(_processes(facts, node.pool(queue).max, queue) for queue in node.queues)
        for node in facts.nodes
    )
    server = facts.server
    room = server["max_connections"] - server["reserved"] - server["others"]
    if need > room:
        yield Finding(
            "connection_budget",
            "warning",
            f"{noun(len(facts.nodes), 'node')} may need up to {noun(need, 'connection')}, and the server has {max(room, 0)}: "
            f"{server['max_connections']} less {server['reserved']} for superusers and {server['others']} that others hold",
            "when all their pools are full, nodes and applications that connect are turned away, as in an outage",
            "raise max_connections, or serve fewer queues on each node (`tidegate up --queues`)",
        )


def _processes(facts: Facts, most: int, queue: str) -> int:
    """Return how many connections the processes of a pool may open: one each, where handlers use `ctx.connection`."""
    settings = facts.settings.get(queue)
    return most if settings is not None and settings.executor == "process" else 0


def _since(ago: float | None) -> str:
    return "never vacuumed" if ago is None else f"last vacuumed {ago / 3_600:.1f} h ago"
