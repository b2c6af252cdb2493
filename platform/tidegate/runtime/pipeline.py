"""From the steps that a user wrote to the stages that run: what each step's function sees, and what is made of what it says."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidegate.errors import InvalidArguments, InvalidJob, UnknownKind
from tidegate.handlers import Handler, Handlers, argument, arguments_of, with_arguments
from tidegate.jobs import Cancel, DamagedMeta, Failed, Job, Outcome
from tidegate.pipelines import BatchBy, Enrich, Filter, PartitionBy, Step
from tidegate.runtime.job_stages import BatchStage, JobStage, Judge, KeyOf, PartitionStage, StepStage, attempted
from tidegate.runtime.queue_session import QueueSession
from tidegate.runtime.settlement import Settlement
from tidegate.settings import QueueSettings
from tidegate.stages import Source

__all__ = ["StageMaker", "stage_makers"]

StageMaker = Callable[[Source[Job[bytes]], QueueSession], JobStage[Any]]


def stage_makers(
    steps: Sequence[Step], queue: QueueSettings, handlers: Handlers, settlement: Settlement
) -> list[tuple[str, StageMaker]]:
    """Return, for each step, the name of its stage and what makes one; a stage runs once, so each start makes a new one."""
    in_order = bool(steps) and isinstance(steps[-1], PartitionBy)
    parts = {"settlement": settlement, "timeout": queue.timeout}

    def maker(name: str, step: Step) -> StageMaker:
        title = f"{queue.name}.{name}"

        def make(source: Source[Job[bytes]], session: QueueSession) -> JobStage[Any]:
            match step:
                case BatchBy():
                    return BatchStage(title, source, step, _key_of(step.key, handlers), session=session, **parts)
                case PartitionBy():
                    return PartitionStage(title, source, step, _key_of(step.key, handlers), session=session, **parts)
                case Enrich() | Filter():
                    judge = _judge_of(step, handlers, step.timeout or queue.timeout)
                    return StepStage(title, source, judge, at_once=step.at_once, in_order=in_order, session=session, **parts)

        return make

    names = [f"{number}-{type(step).__name__.lower()}" for number, step in enumerate(steps, 1)]
    return [(name, maker(name, step)) for name, step in zip(names, steps, strict=True)]


def _judge_of(step: Enrich | Filter, handlers: Handlers, timeout: float) -> Judge:
    function: Callable[[Job[Any]], Any] = step.function if isinstance(step, Enrich) else step.keep

    async def judge(job: Job[bytes]) -> Job[bytes] | Outcome:
        seen = _seen(job, handlers)
        if seen is None:
            return job
        handler, view = seen
        said = await attempted(function, view, timeout=timeout)
        if isinstance(said, Outcome):
            return said
        if isinstance(step, Filter):
            return job if said else Cancel(step.reason)
        return _enriched(job, handler, said, step)

    return judge


def _enriched(job: Job[bytes], handler: Handler, said: Any, step: Enrich) -> Job[bytes] | Outcome:
    if said is None:
        return job
    if not isinstance(said, Mapping):
        return Failed(TypeError(f"{step.function!r} returned {type(said).__name__}; Enrich takes a mapping, or None"))
    if step.into == "meta":
        return replace(job, meta={**job.meta, **said})
    try:
        return replace(job, args=with_arguments(handler, job.args, said))
    except InvalidArguments as error:
        return Failed(error)


def _key_of(key: str | Callable[[Job[Any]], Hashable], handlers: Handlers) -> KeyOf:
    def key_of(job: Job[bytes]) -> Hashable:
        seen = _seen(job, handlers)
        if seen is None:
            return None
        _, view = seen
        found: Hashable = argument(view.args, key) if isinstance(key, str) else key(view)
        hash(found)  # what has no hash, a list for instance, fails its job here and not the stage later
        return found

    return key_of


def _seen(job: Job[bytes], handlers: Handlers) -> tuple[Handler, Job[Any]] | None:
    """Return the job as a step's function sees it; None where it does not decode, which the runner will say."""
    if isinstance(job.meta, DamagedMeta):
        return None
    try:
        handler = handlers.resolve(job.kind)
        return handler, replace(job, args=arguments_of(handler, job.args))
    except (UnknownKind, InvalidJob):
        return None
