"""Looking at a platform and intervening by hand: what the command line and the dashboard do, as a library.

`Inspector` answers questions in the promised shapes; `Operator` cancels, retries, pauses and purges;
`Circuits` does both for circuits.
"""

from tidegate.introspection.asking import NoPartition
from tidegate.introspection.asking_nodes import ANSWER_TIMEOUT, ask_node, gone, named_node
from tidegate.introspection.circuit_views import CircuitEvent, CircuitView, why_gated
from tidegate.introspection.circuits import Circuits
from tidegate.introspection.explain import JobFacts, QueueFacts, Why, why_job, why_queue
from tidegate.introspection.inspector import STATES, Inspector, JobFilter
from tidegate.introspection.interventions import Cancelled, Operator, Retried
from tidegate.introspection.node_views import LostView, NodeView
from tidegate.introspection.shapes import AttemptView, JobDetail, JobView, PoolView, QueueView, iso
from tidegate.introspection.sizes import DecisionView, OrderView, Sizes, explained, recorded

__all__ = [
    "ANSWER_TIMEOUT",
    "STATES",
    "AttemptView",
    "Cancelled",
    "CircuitEvent",
    "CircuitView",
    "Circuits",
    "DecisionView",
    "Inspector",
    "JobDetail",
    "JobFacts",
    "JobFilter",
    "JobView",
    "LostView",
    "NoPartition",
    "NodeView",
    "Operator",
    "OrderView",
    "PoolView",
    "QueueFacts",
    "QueueView",
    "Retried",
    "Sizes",
    "Why",
    "ask_node",
    "explained",
    "gone",
    "iso",
    "named_node",
    "recorded",
    "why_gated",
    "why_job",
    "why_queue",
]
