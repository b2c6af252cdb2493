"""Jobs with spans and log lines of their own."""

import logging

from opentelemetry import trace

from tidegate import Job, JobContext, Tidegate, constant, job

tracer = trace.get_tracer("shop")
logger = logging.getLogger("shop")


@job(queue="email", max_attempts=3, backoff=constant(0.05))
async def never_works(n: int, context: JobContext) -> None:
    with tracer.start_as_current_span("own"):
        logger.warning("attempt %d of %d", context.attempt, n)
    raise ConnectionError(f"no route on attempt {context.attempt}")


@job(queue="threads")
def works_in_a_thread(database: str, config: str) -> None:
    with tracer.start_as_current_span("own in a thread"), Tidegate.connect_sync(database, config=config) as tide:
        tide.enqueue(follows)


@job(queue="heavy")
def in_a_process(database: str, config: str) -> None:
    with tracer.start_as_current_span("own in a process"), Tidegate.connect_sync(database, config=config) as tide:
        tide.enqueue(follows)


@job(queue="email")
async def follows() -> None:
    logger.warning("followed")


@job(queue="analytics", batch=10)
async def together(jobs: list[Job]) -> None:  # type: ignore[type-arg]
    logger.warning("%d together", len(jobs))
