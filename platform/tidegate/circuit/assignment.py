"""From queues.yaml and the jobs' own words to the circuits of a node: who has which, by which numbers and rules.

A kind's circuit is the one that its @job names, else the one that its queue names, else one of its own, called like the kind. Its
numbers are those of `circuits` where that names it, else those of its queue. So one circuit has one set of numbers: two queues that
would give it different ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tidegate.circuit.config import CircuitConfig
from tidegate.circuit.judge import ErrorRules, Judge, error_class
from tidegate.circuit.plan import CircuitPlan
from tidegate.circuit.record import CircuitSpec
from tidegate.errors import ConfigurationError, nearest
from tidegate.handlers import Breaker, Handler, Handlers
from tidegate.settings import CircuitNumbers, Settings

__all__ = ["Assignment", "assign", "config_of"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """The circuits of a configuration, and who judges what runs say of them."""

    plan: CircuitPlan
    judge: Judge


@dataclass(slots=True)
class _Named:
    """A circuit while kinds are assigned to it."""

    numbers: CircuitNumbers
    where: str
    """Where its numbers were written."""
    whose: str
    """The first kind that has it."""
    kinds: dict[str, None] = field(default_factory=dict)


def assign(settings: Settings, handlers: Handlers, *, rng: Callable[[], float]) -> Assignment:
    """Return the circuits of every kind; raise ConfigurationError for what cannot hold, with its places."""
    named: dict[str, _Named] = {}
    rules: dict[str, ErrorRules] = {}
    for kind in handlers.kinds():
        handler = handlers.resolve(kind)
        found = _circuit_of(handler, settings)
        if found is None:
            continue
        name, numbers, where = found
        circuit = named.setdefault(name, _Named(numbers, where, kind))
        if circuit.numbers != numbers:
            raise ConfigurationError(
                f"the circuit {name} has two sets of numbers: {circuit.where} for {circuit.whose}, and {where} for {kind}",
                hint=f"say them once, under circuits: {{{name}: {{...}}}}",
            )
        circuit.kinds[kind] = None
        breaker = handler.spec.circuit if isinstance(handler.spec.circuit, Breaker) else None
        rules[kind] = ErrorRules(breaker, tuple(_classes(numbers.count, where)), tuple(_classes(numbers.ignore, where)))
    _refuse_unused(settings, named)
    declared = set(handlers.declared())
    specs = [
        CircuitSpec(
            name, config_of(each.numbers), each.numbers.mode == "observe", tuple(each.kinds), not declared.isdisjoint(each.kinds)
        )
        for name, each in named.items()
    ]
    return Assignment(CircuitPlan(specs, rng=rng), Judge(rules))


def config_of(numbers: CircuitNumbers) -> CircuitConfig:
    """Return the numbers as the state machine takes them: there, a rule that is off is None."""
    return CircuitConfig(
        window=numbers.window,
        window_size=numbers.window_size,
        minimum=numbers.minimum,
        failure_rate=numbers.failure_rate or None,
        consecutive=numbers.consecutive or None,
        slow_after=numbers.slow_after or None,
        slow_rate=numbers.slow_rate,
        distinct=numbers.distinct_jobs,
        open_for=numbers.open_for,
        open_factor=numbers.open_factor,
        open_cap=numbers.open_cap,
        jitter=numbers.jitter,
        probes=numbers.probes,
        needed=numbers.needed,
        ramp=numbers.ramp,
    )


def _circuit_of(handler: Handler, settings: Settings) -> tuple[str, CircuitNumbers, str] | None:
    """Return the name of a handler's circuit, its numbers and where those were written; None where it has none."""
    said, queue = handler.spec.circuit, handler.spec.queue or settings.default_queue
    options = settings.circuit_of(queue)
    if said is False or (said is None and not options.enabled):
        return None
    own = said.name if isinstance(said, Breaker) else None
    name = own or options.name or handler.kind
    shared = settings.shared_circuit(name)
    if shared is not None:
        return name, shared, settings.place("circuits", name)
    numbers = CircuitNumbers.model_validate(options.model_dump(include=set(CircuitNumbers.model_fields)))
    return name, numbers, settings.place("queues", queue or "", "circuit")


def _refuse_unused(settings: Settings, named: dict[str, _Named]) -> None:
    used = {*named, *(name for queue in settings.queue_names if (name := settings.circuit_of(queue).name))}
    for name in settings.circuits:
        if name not in used:
            wanted = [each for each in named if each not in settings.circuits]
            close = nearest(name, wanted)
            suggestion = f"; did you mean {close[0]}, which {next(iter(named[close[0]].kinds))} has?" if close else ""
            raise ConfigurationError(
                f"{settings.place('circuits', name)}: no job has this circuit{suggestion}",
                hint=f'@job(circuit="{name}") gives it to a kind, `circuit: {name}` to the kinds of a queue',
            )


def _classes(names: tuple[str, ...], where: str) -> Iterator[type[BaseException]]:
    for name in names:
        found = error_class(name)
        if found is None:
            raise ConfigurationError(
                f"{where}: there is no exception {name}",
                hint="write its module, too: smtplib.SMTPRecipientsRefused, or TimeoutError",
            )
        yield found
