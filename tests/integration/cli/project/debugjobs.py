"""Jobs that fail in their own ways, to be debugged."""

from dataclasses import dataclass

from sqlalchemy import text

from tidegate import Dead, Job, JobContext, job


@dataclass
class Order:
    customer: str
    items: list[int]


@job(queue="slow")
def total(order: Order, tax: int = 20) -> float:
    net = sum(order.items)
    return net * tax / len(order.items)


@job(queue="email")
async def write(name: str, ctx: JobContext) -> str:
    await ctx.connection.execute(
        text("INSERT INTO tidegate.audit (actor, action, subject) VALUES ('job', :name, '1')"), {"name": name}
    )
    if name == "nobody":
        raise LookupError(name)
    return f"{name} {ctx.attempt} {ctx.cancelled} {ctx.job.meta}"


@job(queue="slow")
def note(name: str, ctx: JobContext) -> str:
    ctx.connection.execute(text("INSERT INTO tidegate.audit (actor, action, subject) VALUES ('job', :name, '1')"), {"name": name})
    return name


@job(queue="email", batch=10)
async def several(jobs: list[Job[Order]]) -> None:
    raise Dead(f"{len(jobs)} of {jobs[0].args.customer}")


@job(queue="email")
async def leave() -> None:
    raise SystemExit(3)
