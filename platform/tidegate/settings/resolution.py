"""What holds for one queue: its own word, else that of `defaults`, else what is built in, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from tidegate.errors import nearest
from tidegate.settings.circuits import CircuitNumbers
from tidegate.settings.model import Defaults, QueueOptions
from tidegate.settings.words import Path, dotted

__all__ = ["Clashes", "clashes", "resolve", "shared_circuit"]

OF_PROCESSES: Final = ("memory", "max_jobs", "max_memory")
"""The keys that mean something for `executor: process` only."""


class Clashes(ValueError):
    """Keys that are each right and cannot hold together; `found` has the path and the sentence of each."""

    def __init__(self, found: Sequence[tuple[Path, str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in found))
        self.found = tuple(found)


def resolve(defaults: QueueOptions, options: QueueOptions) -> QueueOptions:
    """Return `options` with every key said; raise ValidationError where what they say clashes with what they inherit."""
    said = _over(QueueOptions().model_dump(), _over(defaults.said(), options.said()))
    said.pop("queue", None)
    return QueueOptions.model_validate(said)


def shared_circuit(defaults: QueueOptions, numbers: CircuitNumbers) -> CircuitNumbers:
    """Return the numbers of a circuit that has a name: its own, else those of `defaults`, else the built-in ones."""
    said = _over(CircuitNumbers().model_dump(), _over(defaults.circuit.said(), numbers.said()))
    return CircuitNumbers.model_validate({key: said[key] for key in CircuitNumbers.model_fields})


def clashes(
    defaults: Defaults, queues: Mapping[str, QueueOptions], circuits: Mapping[str, CircuitNumbers]
) -> Iterator[tuple[Path, str]]:
    """Yield what each key alone does not show: a default queue that is not declared, a min above an inherited max."""
    if defaults.queue is not None and queues and defaults.queue not in queues:
        close = nearest(defaults.queue, queues)
        suggestion = f"did you mean {close[0]}?" if close else f"declared are {', '.join(queues)}"
        yield ("defaults", "queue"), f"no queue named {defaults.queue}; {suggestion}"
    yield from _surplus(("defaults",), defaults)
    shared = dict(_inherited(QueueOptions(), defaults))
    yield from ((("defaults", key), sentence) for key, sentence in shared.items())
    yield from _without_process(("defaults",), defaults, [_executor(defaults, each) for each in queues.values()])
    for name, options in queues.items():
        yield from _surplus(("queues", name), options)
        yield from _without_process(("queues", name), options, [_executor(defaults, options)])
        for key, sentence in _inherited(defaults, options):
            if key in options.model_fields_set or key not in shared:
                yield ("queues", name, key), sentence
    yield from _two_sets_of_numbers(defaults, queues, circuits)


def _inherited(defaults: QueueOptions, options: QueueOptions) -> Iterator[tuple[str, str]]:
    try:
        resolve(defaults, options)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield str(details["loc"][0]), f"{details['ctx']['error']}; say both, for one of them is inherited"


def _two_sets_of_numbers(
    defaults: QueueOptions, queues: Mapping[str, QueueOptions], circuits: Mapping[str, CircuitNumbers]
) -> Iterator[tuple[Path, str]]:
    """Yield a circuit that two places configure, each otherwise, and numbers of a shared one that clash with what it inherits."""
    first: dict[str, tuple[Path, CircuitNumbers]] = {}
    for name, numbers in circuits.items():
        try:
            first[name] = ("circuits", name), shared_circuit(defaults, numbers)
        except ValidationError as error:
            yield (
                ("circuits", name),
                f"{error.errors(include_url=False)[0]['ctx']['error']}; say both, for one of them is inherited",
            )
    for queue, options in queues.items():
        try:
            circuit = resolve(defaults, options).circuit
        except ValidationError:
            continue  # told already
        own = options.circuit.model_fields_set - {"name", "enabled"}
        if not circuit.enabled or circuit.name is None or (circuit.name in circuits and not own):
            continue
        here, numbers = ("queues", queue, "circuit"), shared_circuit(defaults, options.circuit)
        there, others = first.setdefault(circuit.name, (here, numbers))
        if numbers != others:
            for path, other in ((there, here), (here, there)):
                yield (
                    path,
                    f"gives {circuit.name} other numbers than {dotted(other)} does; say them once, under circuits",
                )


def _surplus(path: Path, options: QueueOptions) -> Iterator[tuple[Path, str]]:
    said = options.backoff.model_fields_set
    if {"kind", "factor"} <= said and options.backoff.kind != "exponential":
        yield (*path, "backoff", "factor"), f"has no meaning for the kind {options.backoff.kind}; leave it out"


def _executor(defaults: QueueOptions, options: QueueOptions) -> str:
    """Return the executor of a queue."""
    return options.executor if "executor" in options.model_fields_set else defaults.executor


def _without_process(path: Path, options: QueueOptions, executors: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the limits of processes that are said where there are none: whoever says them relies on them."""
    if executors and "process" not in executors:
        for key in OF_PROCESSES:
            if getattr(options, key) and key in options.model_fields_set:
                yield (*path, key), f"bounds processes, and the executor is {executors[0]}; say executor: process, or leave it out"


def _over(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return `low` with what `high` says put over it, group by group."""
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged
