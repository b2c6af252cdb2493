"""Asking a running node: which one is meant, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from tidegate.errors import NotFound, Refused, Unhealthy, UsageError, nearest
from tidegate.introspection.asking import asking
from tidegate.introspection.inspector import Inspector
from tidegate.introspection.node_views import NodeView
from tidegate.store.requests import ask

__all__ = ["ANSWER_TIMEOUT", "ask_node", "gone", "named_node"]

LOOK = 0.2  # seconds between two looks at whether a node is gone
ANSWER_TIMEOUT = 15.0  # seconds; a node whose event loop is blocked notices that it is asked within one


def named_node(name: str, nodes: Sequence[NodeView]) -> NodeView:
    """Return the live node of that name, or the only one whose name begins so; NotFound or UsageError where there is none."""
    exact = [node for node in nodes if node.node == name]
    found = exact or [node for node in nodes if node.node.startswith(name)]
    if len(found) == 1:
        return found[0]
    names = [node.node for node in nodes]
    if found:
        raise UsageError(
            f"{name!r} begins the names of {len(found)} nodes", hint=f"nodes: {', '.join(node.node for node in found)}"
        )
    close = nearest(name, names)
    raise NotFound(
        f"there is no live node {name!r}{f'; did you mean {close[0]!r}?' if close else ''}",
        hint=f"nodes: {', '.join(names)}" if names else "no node runs; `tidegate up` starts one",
    )


def ask_node(
    connection: psycopg.Connection[Any],
    node: str,
    about: str,
    params: Mapping[str, Any] | None = None,
    *,
    timeout: float = ANSWER_TIMEOUT,
) -> Any:
    """Return what the node answers; Unhealthy where it does not within `timeout` seconds, Refused where it cannot."""
    with asking("ask the node"):
        said = ask(connection, node, about, params or {}, timeout=timeout)
    if said is None:
        raise Unhealthy(
            f"node {node} did not answer within {timeout:g} s",
            hint="its process may be stopped, or cut off from the database; `tidegate workers list` shows its last heartbeat",
        )
    answer, error = said
    if error is not None:
        raise Refused(f"node {node}: {error}")
    return answer


def gone(inspector: Inspector, node: str) -> None:
    """Return once a node is no longer among the live ones."""
    while any(view.node == node for view in inspector.nodes()):
        time.sleep(LOOK)
