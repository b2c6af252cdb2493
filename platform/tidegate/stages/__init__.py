"""Demand-driven stages: consumers ask, producers answer, nothing is pushed on anybody, and nothing is lost between two of them.

`Producer`, `Consumer`, `ProducerConsumer` and `TaskConsumer` are asyncio shells around pure cores: the dispatchers, the `Buffer`
and `split_batches`, which decide and return what is to be done. `patterns` has the stages that come up again and again.

The type checker refuses to wire a Producer[str] to a Consumer[int] by object; the events of a stage that is named by a string have
no type that it could know.
"""

from tidegate.stages.batcher import Batcher
from tidegate.stages.batching import Batch, Gathering, Splitter, Trigger, by_count, by_weight
from tidegate.stages.broadcast_dispatcher import BroadcastDispatcher
from tidegate.stages.buffer import Buffer
from tidegate.stages.consumer import Consumer
from tidegate.stages.demand import split_batches
from tidegate.stages.demand_dispatcher import DemandDispatcher
from tidegate.stages.dispatch import Dispatch, Dispatcher, Rejected
from tidegate.stages.errors import BadOption, BadReturn, NotAProducer, StageGone, Unanswered
from tidegate.stages.names import names
from tidegate.stages.partition_dispatcher import PartitionDispatcher, UnknownPartition
from tidegate.stages.producer import Producer
from tidegate.stages.producer_consumer import ProducerConsumer
from tidegate.stages.puller import Puller
from tidegate.stages.relay import Relay
from tidegate.stages.sources import from_iterable, stream
from tidegate.stages.stage import Stage
from tidegate.stages.subscription import DRAINED, Cancel, Demand, Keep, Source, StageRef, SubRef, Subscription, Why
from tidegate.stages.task_consumer import TaskConsumer
from tidegate.supervision.child import IGNORE
from tidegate.supervision.exits import Crash, Exit, Killed, NoProc, Normal, Reason, Shutdown

__all__ = [
    "DRAINED",
    "IGNORE",
    "BadOption",
    "BadReturn",
    "Batch",
    "Batcher",
    "BroadcastDispatcher",
    "Buffer",
    "Cancel",
    "Consumer",
    "Crash",
    "Demand",
    "DemandDispatcher",
    "Dispatch",
    "Dispatcher",
    "Exit",
    "Gathering",
    "Keep",
    "Killed",
    "NoProc",
    "Normal",
    "NotAProducer",
    "PartitionDispatcher",
    "Producer",
    "ProducerConsumer",
    "Puller",
    "Reason",
    "Rejected",
    "Relay",
    "Shutdown",
    "Source",
    "Splitter",
    "Stage",
    "StageGone",
    "StageRef",
    "SubRef",
    "Subscription",
    "TaskConsumer",
    "Trigger",
    "Unanswered",
    "UnknownPartition",
    "Why",
    "by_count",
    "by_weight",
    "from_iterable",
    "names",
    "split_batches",
    "stream",
]
