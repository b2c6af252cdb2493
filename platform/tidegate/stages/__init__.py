"""Demand-driven stages: consumers ask, producers answer, and nothing is ever pushed on anybody or lost between two of them.

`Producer`, `Consumer`, `ProducerConsumer` and `TaskConsumer` are asyncio shells around pure cores: the dispatchers, the `Buffer` and
`split_batches`, which decide and return what is to be done.
"""

from tidegate.stages.broadcast_dispatcher import BroadcastDispatcher
from tidegate.stages.buffer import Buffer
from tidegate.stages.consumer import Consumer
from tidegate.stages.demand import split_batches
from tidegate.stages.demand_dispatcher import DemandDispatcher
from tidegate.stages.dispatch import Dispatch, Dispatcher, Rejected
from tidegate.stages.errors import BadOption, BadReturn, NotAProducer, StageGone
from tidegate.stages.partition_dispatcher import PartitionDispatcher, UnknownPartition
from tidegate.stages.producer import Producer
from tidegate.stages.stage import Stage
from tidegate.stages.subscription import Cancel, Demand, Keep, Source, StageRef, SubRef, Subscription, Why
from tidegate.supervision.child import IGNORE
from tidegate.supervision.exits import Crash, Exit, Killed, NoProc, Normal, Reason, Shutdown
