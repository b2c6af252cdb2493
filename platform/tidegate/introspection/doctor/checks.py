"""What the doctor knows: each check a pure function of the facts, yielding what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tidegate.introspection.circuit_views import CircuitView
from tidegate.introspection.node_views import LostView, NodeView
from tidegate.introspection.shapes import QueueView
from tidegate.plurals import noun
from tidegate.settings import QueueSettings

__all__ = [
    "Facts",
    "Finding",
    "alerts",
    "bloat",
    "drift",
    "fleet",
    "indexes",
    "kinds",
    "notifications",
    "partitions",
    "schema",
    "server",
    "transactions",
]

OLD_TRANSACTION: Final = 300.0  # seconds; a claim's dead rows pile up behind it at the rate of the jobs
DEAD_ROWS: Final = 100_000  # 20 ms of a sweep (0.2 us each)
FEW_SLOTS: Final = 0.9  # of the connections that the server allows
LAGGING: Final = 1.0  # seconds that a loop came late
DAYS_AHEAD: Final = 2  # partitions; the leader makes seven


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `fix` names what `--fix` does about it."""

    check: str
    severity: str
    """`error`: jobs stand still or will; `warning`: they will suffer."""
    what: str
    why: str
    mend: str
    fix: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as it is."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "why": self.why,
            "mend": self.mend,
            "fixable": self.fix is not None,
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """What an examination saw."""

    schema_version: int
    expected_version: int
    server: Mapping[str, Any]
    transactions: Sequence[Mapping[str, Any]]
    tables: Sequence[Mapping[str, Any]]
    indexes: Sequence[Mapping[str, Any]]
    expected_indexes: Sequence[str]
    fleet: Mapping[str, Any]
    days_ahead: int
    notified: bool
    """Whether a notification made its round trip."""
    nodes: Sequence[NodeView]
    queues: Sequence[QueueView]
    version: str = ""
    """Of the Tidegate that examines."""
    config: str = ""
    """The fingerprint of the settings here; see `Settings.fingerprint`."""
    unreadable: Mapping[str, bool] = field(default_factory=dict)
    """The tables that are missing (False), or there and not to be read."""
    disk_free: int | None = None
    """Bytes that are left on the server's disk, where that can be told from here."""
    lost: Sequence[LostView] = ()
    undelivered: Sequence[Mapping[str, Any]] = ()
    """Channels with alerts that were given up, or that wait for long."""
    vacuums: Sequence[Mapping[str, Any]] = ()
    """Of each table: what waits for a vacuum, and since when; see doctor_autovacuum.sql."""
    circuits: Sequence[CircuitView] = ()
    settings: Mapping[str, QueueSettings] = field(default_factory=dict)
    """Of the queues that are declared here."""
    pooled: bool = False
    """Whether a connection pooler stands between this command and the server."""


def schema(facts: Facts) -> Iterator[Finding]:
    """The schema is the expected one."""
    if facts.schema_version != facts.expected_version:
        behind = facts.schema_version < facts.expected_version
        yield Finding(
            "schema",
            "error",
            f"the schema is at version {facts.schema_version}, this Tidegate expects {facts.expected_version}",
            "nodes of another version refuse to start",
            "tidegate db migrate" if behind else "upgrade Tidegate here",
            fix="migrate" if behind else None,
        )


def indexes(facts: Facts) -> Iterator[Finding]:
    """Every index is there and valid."""
    known = {each["name"]: each["valid"] for each in facts.indexes}
    for name in facts.expected_indexes:
        if name not in known:
            yield Finding(
                "indexes",
                "error",
                f"the index {name} is missing",
                "claims or inspection walk the whole table",
                "`tidegate db sql` prints the statement that makes it",
            )
    for name, valid in known.items():
        if not valid:
            yield Finding(
                "indexes",
                "error",
                f"the index {name} is invalid",
                "it is kept up to date and never used",
                f"REINDEX INDEX CONCURRENTLY tidegate.{name}",
            )


def transactions(facts: Facts) -> Iterator[Finding]:
    """Nothing keeps dead rows from being removed."""
    for each in facts.transactions:
        since = "" if each["age"] is None else f" for {each['age']:.0f} s"
        end = (
            f"SELECT pg_terminate_backend({each['id']})"
            if each["what"] == "transaction"
            else f"end the {each['what']} {each['id']}"
        )
        yield Finding(
            "transactions",
            "warning",
            f"{each['what']} {each['id']} has been open{since} ({each['detail']})",
            "no dead row that is younger can be removed: tables grow and sweeps slow down",
            end,
        )


def bloat(facts: Facts) -> Iterator[Finding]:
    """Dead rows are removed."""
    for each in facts.tables:
        name, dead, live = each["name"], each["dead_tuples"], each["live_tuples"]
        if dead > max(DEAD_ROWS, 2 * live):
            yield Finding(
                "bloat",
                "warning",
                f"{name}: {noun(dead, 'dead row')}, {live:,} live",
                "sweeps walk over them",
                f"VACUUM tidegate.{name}",
                fix="vacuum" if name == "jobs" else None,
            )


def server(facts: Facts) -> Iterator[Finding]:
    """The server is set up for a queue."""
    said = facts.server
    if said["connections"] >= FEW_SLOTS * said["max_connections"]:
        yield Finding(
            "connections",
            "error",
            f"{said['connections']} of {said['max_connections']} connections are in use",
            "a node needs one for each queue and a few more; without them it waits as in an outage",
            "raise max_connections, or end idle ones",
        )
    if not said["autovacuum"]:
        yield Finding("autovacuum", "error", "autovacuum is off", "dead rows are never removed", "ALTER SYSTEM SET autovacuum = on")
    if not said["fsync"]:
        yield Finding("durability", "warning", "fsync is off", "a power cut may lose or damage jobs", "ALTER SYSTEM SET fsync = on")
    if said["read_only"]:
        yield Finding(
            "read_only",
            "error",
            "the database is read-only",
            "nothing can be enqueued, claimed or acked",
            "point Tidegate to the primary",
        )


def notifications(facts: Facts) -> Iterator[Finding]:
    """Notifications arrive."""
    if not facts.notified:
        yield Finding(
            "listen",
            "warning",
            "a notification did not arrive within two seconds"
            + (": a connection pooler in transaction mode stands before the server" if facts.pooled else ""),
            "jobs wait for the next poll, and commands for the nodes that they ask",
            "give nodes a direct connection" if facts.pooled else "give nodes a direct connection; is the server overloaded?",
        )


def alerts(facts: Facts) -> Iterator[Finding]:
    """Whoever is to be told is told."""
    for each in facts.undelivered:
        said = [
            f"{each['failed']:,} were given up" if each["failed"] else "",
            f"{each['waiting']:,} wait" if each["waiting"] else "",
        ]
        yield Finding(
            "alerts",
            "error" if each["failed"] else "warning",
            f"alerts of the channel {each['channel']} were not delivered: {', '.join(filter(None, said))}",
            f"nobody was told; the last try said: {each['error'] or 'nothing yet'}",
            f"`tidegate notify test {each['channel']}` shows whether it works again; `tidegate notify retry --all` sends them, or "
            "`tidegate notify discard --all` lets them go",
        )


def fleet(facts: Facts) -> Iterator[Finding]:
    """There are nodes, one leads, and no job is left to a dead one."""
    if not facts.nodes:
        yield Finding("nodes", "error", "no node is alive", "nothing runs", "tidegate up")
        return
    if facts.fleet["leader"] is None:
        yield Finding(
            "leader",
            "warning",
            "no node leads",
            "no partitions are made, nothing is pruned, no fleet-wide metrics",
            "it settles by itself within half a lease; look at the nodes' logs where it does not",
        )
    if facts.fleet["orphans"]:
        yield Finding(
            "orphans",
            "warning",
            f"{noun(facts.fleet['orphans'], 'running job belongs', 'running jobs belong')} to nodes that are gone",
            "they wait until a node that has been steady for one lease rescues them",
            "it settles by itself; see the nodes' logs",
        )
    for node in facts.nodes:
        for queue in node.broken:
            yield Finding(
                "broken",
                "error",
                f"queue {queue} is broken on {node.node}",
                "it runs nothing there",
                "the log of that node says why",
            )
        lag = node.status.get("loop_lag")
        if isinstance(lag, int | float) and lag > LAGGING:
            yield Finding(
                "loop_lag",
                "warning",
                f"the event loop of {node.node} came {lag:.1f} s late",
                "some job blocks it: all others wait",
                "its log names the job; give blocking ones `executor: thread` or `process`",
            )


def drift(facts: Facts) -> Iterator[Finding]:
    """All nodes are of one version and one configuration, and so is this command."""
    versions = sorted({node.version for node in facts.nodes} | {facts.version})
    if len(versions) > 1:
        yield Finding(
            "versions",
            "warning",
            f"versions differ: {', '.join(versions)}",
            "a rolling deploy is under way, or was left half done",
            "restart the older nodes",
        )
    told = {node.node: str(node.status["config"]) for node in facts.nodes if node.status.get("config")}
    differing = [node for node, config in told.items() if config != facts.config]
    if differing:
        yield Finding(
            "config",
            "warning",
            f"settings differ from those here on: {', '.join(differing)}",
            "queues.yaml was changed since they started, or they read another one",
            "restart them; `tidegate config show` has what holds here",
        )


def kinds(facts: Facts) -> Iterator[Finding]:
    """Every waiting kind has a handler somewhere."""
    for kind in facts.fleet["unknown_kinds"] or ():
        yield Finding(
            "kinds",
            "error",
            f"jobs of the kind {kind} are ready, and no live node knows it",
            "they are dead as invalid a minute after they were due",
            "add its module to `jobs:` and restart a node",
        )


def partitions(facts: Facts) -> Iterator[Finding]:
    """There is room for the days to come."""
    if facts.days_ahead < DAYS_AHEAD:
        yield Finding(
            "partitions",
            "error",
            f"there are partitions for {max(facts.days_ahead, 0)} days to come",
            "without today's, no job can end",
            "tidegate db migrate",
            fix="partitions",
        )
