"""`tidegate workers`: the nodes of the fleet, and what one of them is doing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from tidegate.cli.lazy import Group
from tidegate.cli.output import data, emit_json, say
from tidegate.cli.params import JOB_ID, NAMED, json_option, limit_option
from tidegate.cli.scope import Scope
from tidegate.cli.stacks import stack_lines
from tidegate.cli.tables import Column, show_record, show_table
from tidegate.cli.wording import NOTHING, count, moment, span
from tidegate.errors import NotFound
from tidegate.plurals import noun

if TYPE_CHECKING:
    from tidegate.introspection import LostView, NodeView

__all__ = ["workers"]

COLUMNS: Final = (
    Column("NODE"),
    Column("HOST", cut=True),
    Column("PID", right=True),
    Column("STARTED"),
    Column("HEARTBEAT", right=True),
    Column("LEADER"),
    Column("BUSY", right=True),
    Column("PROCESSED", right=True),
    Column("MEMORY", right=True),
    Column("LAG", right=True),
    Column("QUEUES", cut=True),
)
TREE: Final = (
    Column("PART"),
    Column("STATE"),
    Column("FOR", right=True),
    Column("RESTARTS", right=True),
    Column("MAILBOX", right=True),
    Column("DEMAND", right=True),
    Column("BUFFERED", right=True),
    Column("RUNNING", right=True),
    Column("ZOMBIES", right=True),
    Column("MORE", cut=True),
)
TIMEOUT: Final = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Seconds to wait for its answer."
)
RUNNING: Final = (
    Column("JOB", right=True),
    Column("QUEUE"),
    Column("KIND", cut=True),
    Column("ATTEMPT", right=True),
    Column("FOR", right=True),
    Column("LEFT", right=True),
    Column("WHERE"),
    Column("MEMORY", right=True),
    Column("CPU", right=True),
)
LOST: Final = (
    Column("NODE"),
    Column("HOST", cut=True),
    Column("PID", right=True),
    Column("SILENT", right=True),
    Column("HELD", right=True),
    Column("JOBS", cut=True),
    Column("WHY", cut=True),
)
IN_COLUMNS: Final = {"demand", "buffered", "running", "zombies"}
UNSAID: Final = {"kind", "name", "state", "strategy", "subscriptions", "consumers", "hints", "mailbox", "node", "target"}
"""What the other columns say, or what only --json is for."""


@click.group(cls=Group)
def workers() -> None:
    """List the nodes of the fleet, and show what one of them is doing."""


@workers.command("list")
@click.option("--lost", is_flag=True, help="List the nodes that were lost within the last hour, and what they held.")
@limit_option
@json_option
@click.pass_obj
def list_workers(scope: Scope, lost: bool, limit: int, as_json: bool) -> None:
    """List the live nodes, the oldest first; with --lost those that were lost, the last one first."""
    with scope.inspector() as inspector:
        gone = inspector.lost()
        found = inspector.nodes()[:limit]
    if lost:
        if as_json:
            emit_json([node.as_json() for node in gone[:limit]])
        else:
            show_table(LOST, map(_lost, gone[:limit]), empty="no node was lost within the last hour")
        return
    if gone and not as_json:
        say(f"{noun(len(gone), 'node')} lost within the last hour: `tidegate workers list --lost`")
    if as_json:
        emit_json([node.as_json() for node in found])
    else:
        show_table(COLUMNS, map(_row, found), empty="no node runs; `tidegate up` starts one")


@workers.command("show")
@click.argument("node", type=NAMED)
@TIMEOUT
@json_option
@click.pass_obj
def show_worker(scope: Scope, node: str, timeout: float, as_json: bool) -> None:
    """Show the supervision tree of a running node, as the node itself tells it now: NODE is its name, or how that begins."""
    from tidegate.introspection import ask_node, named_node  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        view = named_node(node, scope.inspector_of(connection).nodes())
        answer = ask_node(connection, view.node, "tree", timeout=timeout)
    if as_json:
        emit_json({**view.as_json(), **answer})
        return
    show_record(_fields(view, answer))
    click.echo()
    show_table(TREE, _lines(answer["tree"]), empty="it runs nothing")
    if answer["jobs"]:
        click.echo()
        show_table(RUNNING, map(_run, answer["jobs"]), empty="")


@workers.command("stacks")
@click.argument("node", type=NAMED)
@click.argument("job", type=JOB_ID, metavar="[JOB]", required=False)
@TIMEOUT
@json_option
@click.pass_obj
def show_stacks(scope: Scope, node: str, job: int | None, timeout: float, as_json: bool) -> None:
    """Show what each running job of a node does right now, or one JOB: where its code stands, line by line.

    It is the node itself that looks, from a thread, also while its event loop is blocked, and into the processes of its consumers.
    """
    from tidegate.introspection import ask_node, named_node  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        view = named_node(node, scope.inspector_of(connection).nodes())
        answer = ask_node(connection, view.node, "stacks", {"job": job}, timeout=timeout)
    if job is not None and not answer["jobs"]:
        raise NotFound(f"job {job} does not run on {view.node} now", hint=f"`tidegate jobs explain {job}` says where it is")
    if as_json:
        emit_json({"node": view.node, **answer})
        return
    for line in stack_lines(answer):
        data(line)
    if not answer["jobs"]:
        say(f"no job runs on {view.node}")


@workers.command("drain")
@click.argument("node", type=NAMED)
@click.option("--wait", is_flag=True, help="Return once it has ended, or left the fleet.")
@TIMEOUT
@json_option
@click.pass_obj
def drain_worker(scope: Scope, node: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Have a node end: it claims nothing more, finishes what runs, gives the rest back and ends, as at a first Ctrl-C there.

    What runs longer than its `drain_timeout` is given back, too. A node inside another program claims nothing more and waits for it
    to end. Whatever starts nodes by itself may start another one.
    """
    from tidegate.introspection import ask_node, gone, named_node  # noqa: PLC0415 - psycopg costs what `--help` should not pay

    with scope.connection() as connection:
        inspector = scope.inspector_of(connection)
        view = named_node(node, inspector.nodes())
        answer = ask_node(connection, view.node, "drain", timeout=timeout)
        limit = f"{answer['drain_timeout']:g} s"
        blocked = "; its event loop is blocked, so that it begins once that has ended" if answer["loop"] == "blocked" else ""
        say(f"{view.node} drains: {noun(answer['running'], 'job')} may run on for up to {limit}{blocked}")
        if wait:
            gone(inspector, view.node)
            say(f"{view.node} has left the fleet")
    if as_json:
        emit_json({"node": view.node, **answer})


def _row(view: NodeView) -> Sequence[str]:
    told = view.as_json()
    pools = told["queues"].values()
    return (
        view.node,
        view.host,
        str(view.pid),
        moment(view.started_at),
        span(view.heartbeat_age),
        "leader" if view.leader else NOTHING,
        f"{sum(pool['busy'] for pool in pools)}/{sum(pool['alive'] for pool in pools)}",
        count(sum(pool["jobs_processed"] or 0 for pool in pools)),
        _mebibytes(told["rss"]),
        span(told["loop_lag"]),
        ", ".join(f"{queue} (broken)" if queue in view.broken else queue for queue in view.queues),
    )


def _lost(view: LostView) -> Sequence[str]:
    return (
        view.node,
        view.host,
        str(view.pid),
        span(view.silent_for),
        count(len(view.held)),
        ", ".join(f"{held['job']}{'' if held['rescued'] else ' (not rescued yet)'}" for held in view.held) or NOTHING,
        view.why or NOTHING,
    )


def _run(job: Mapping[str, Any]) -> Sequence[str]:
    more = f" +{len(job['jobs']) - 1}" if len(job["jobs"]) > 1 else ""
    left = job["deadline_in"]
    return (
        f"{job['job']}{more}",
        job["queue"],
        job["kind"],
        count(job["attempt"]),
        span(job["age"]),
        span(left) if left >= 0 else f"over by {span(-left)}",
        job["where"] or NOTHING,
        _mebibytes(job["rss"]),
        span(job["cpu_seconds"]),
    )


def _fields(view: NodeView, answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    told = view.as_json()
    yield "node", f"{view.node}{', leader' if view.leader else ''}"
    yield "host", f"{view.host}, process {view.pid}"
    yield "version", view.version
    yield "started", moment(view.started_at)
    yield "heartbeat", f"{span(view.heartbeat_age)} ago"
    yield "memory", _mebibytes(told["rss"])
    yield "event loop", "BLOCKED" if answer["loop"] == "blocked" else f"running, lag {span(told['loop_lag'])}"
    if told["deaf"]:
        yield "notifications", "do not arrive; each queue looks for jobs four times each `poll`"
    for queue, pool in told["queues"].items():
        state = "broken" if queue in view.broken else f"{pool['busy']} busy of {pool['alive']}, {pool['target']} wanted"
        last = f", the last {pool['last_job_at']}" if pool["last_job_at"] else ""
        yield queue, f"{state}; {noun(pool['jobs_processed'] or 0, 'job')} run{last}"


def _lines(node: Mapping[str, Any], depth: int = 0) -> Iterator[Sequence[str]]:
    """Write a node of the tree and what is below it, a line each."""
    detail = node["detail"]
    zombies = detail.get("zombies") or (1 if node["state"] == "zombie" else 0)
    yield (
        f"{'  ' * depth}{node['name']}",
        node["state"],
        span(node["age"]),
        count(node["restarts"]),
        count(detail.get("mailbox")),
        count(detail.get("demand")),
        count(detail.get("buffered")),
        count(detail.get("running")),
        count(zombies),
        _more(detail),
    )
    for child in node["children"]:
        yield from _lines(child, depth + 1)


def _more(detail: Mapping[str, Any]) -> str:
    said = {name: value for name, value in detail.items() if name not in IN_COLUMNS | UNSAID}
    words = [name if value is True else _short(name, value) for name, value in said.items() if value not in (False, None, [])]
    return ", ".join(str(detail.get("strategy") or "").split() + words) or NOTHING


def _short(name: str, value: Any) -> str:
    match name:
        case "rss":
            return f"memory {_mebibytes(value)}"
        case "cpu_seconds":
            return f"CPU {span(value)}"
        case _:
            return f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}"


def _mebibytes(size: Any) -> str:
    return f"{size / 2**20:,.0f} MiB" if isinstance(size, int) else NOTHING
