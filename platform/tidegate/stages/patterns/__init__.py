"""Stages that come up again and again, each a small class over Producer, Consumer and ProducerConsumer.

Where events come from: `PollingProducer` asks a table or an API, `PushProducer` takes what is put into it, `QueueProducer` empties
an asyncio.Queue (`from_iterable` does iterators). On their way: `RateLimited`, `Filter`, `Transform`, and the `Batcher`. Where they
end: `BatchWriter` and, made of it, `DatabaseWriter`, `FileWriter`, `HttpPoster`.

Fan-in is one consumer with several subscriptions, fan-out several consumers behind one producer: to share its events, by a
DemandDispatcher or by key with a PartitionDispatcher; to have all of them each, by a BroadcastDispatcher.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidegate.stages.patterns.polling import PollingProducer
from tidegate.stages.patterns.pushing import Full, PushProducer, QueueProducer
from tidegate.stages.patterns.rate import FixedWindow, RateLimited
from tidegate.stages.patterns.shaping import Filter, Transform
from tidegate.stages.patterns.writing import BatchWriter, FileWriter

if TYPE_CHECKING:
    from tidegate.stages.patterns.database import DatabaseWriter
    from tidegate.stages.patterns.http import HttpPoster

__all__ = [
    "BatchWriter",
    "DatabaseWriter",
    "FileWriter",
    "Filter",
    "FixedWindow",
    "Full",
    "HttpPoster",
    "PollingProducer",
    "PushProducer",
    "QueueProducer",
    "RateLimited",
    "Transform",
]

_LAZY = {"DatabaseWriter": "database", "HttpPoster": "http"}  # they import SQLAlchemy and httpx


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
