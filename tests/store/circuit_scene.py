"""Words for the tests of circuits at the table: who reports what, who claims on permits, and what the rows say then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.store.scene import KIND, Scene, done, failed, new, released
from tidegate.circuit import Change, Circuit, CircuitConfig, CircuitPlan, CircuitRecord, CircuitSpec, Report
from tidegate.jobs import Job
from tidegate.store.protocol import Claim, Claimed, Exchange

SMTP = "smtp"
OTHER = "shop.jobs:other"
EVENT = (
    "circuit",
    "gen",
    "from_state",
    "to_state",
    "reason",
    "n",
    "failed",
    "slow",
    "top_errors",
    "sample_job_ids",
    "node",
    "actor",
    "note",
)
BASE: dict[str, Any] = {"window": "count", "window_size": 10, "minimum": 5, "jitter": 0, "open_for": 30, "needed": 3}


def config(**delta: Any) -> CircuitConfig:
    return CircuitConfig(**{**BASE, **delta})


def plan(*specs: CircuitSpec, **delta: Any) -> CircuitPlan:
    """The circuit smtp of KIND, and whatever else."""
    observe = delta.pop("observe", False)
    return CircuitPlan([CircuitSpec(SMTP, config(**delta), observe, (KIND,)), *specs], rng=lambda: 0.0)


class CircuitScene:
    """A scene with circuits, and its claims by permit."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.store = scene.store

    async def begin(self, circuits: CircuitPlan, *, kinds: Sequence[str] = (KIND, OTHER)) -> None:
        self.scene.plan = circuits
        await self.scene.close()
        self.scene._lines.clear()
        await self.store.know_circuits(circuits, node="n1")
        await self.scene.line("n1", kinds=kinds)

    async def node(self, name: str, *, lease: float = 30.0) -> None:
        await self.scene.node(name, lease=lease, kinds=(KIND, OTHER))

    async def state(self, name: str = SMTP) -> CircuitRecord:
        [record] = await self.store.circuits([name])
        return record

    async def move(self, act: Any, *, name: str = SMTP, **more: Any) -> Change | None:
        return await self.store.move_circuit(name, act, rng=lambda: 0.0, **more)

    async def open(self) -> None:
        await self.fail(5)
        assert (await self.state()).state == "open"

    async def half_open(self, name: str = SMTP) -> None:
        await self.move(lambda circuit, now: circuit.force("half_open", now), name=name)

    async def fail(self, n: int, *, node: str = "n1") -> list[Job[bytes]]:
        await self.scene.enqueue(*[new()] * n)
        jobs = await self.scene.claim(n, [(0, 0)], node=node)
        assert len(jobs) == n
        await self.report(*[(job, "fail") for job in jobs], node=node)
        return jobs

    async def report(
        self, *outcomes: tuple[Job[bytes], str], node: str = "n1", name: str = SMTP, duration: float = 0.5
    ) -> Exchange:
        """Ack jobs and let their reports ride on it; what failed is scheduled for much later."""
        acks = [{"ok": done, "fail": lambda job: failed(job, 3600.0), "ignore": released}[result](job) for job, result in outcomes]
        reports = [report(job, result, name=name, duration=duration) for job, result in outcomes]
        return await (await self.scene.line(node)).exchange(acks, None, now=0.0, reports=reports)

    async def claim(self, n: int = 100, *, name: str = SMTP, node: str = "n1") -> Claimed:
        answer = await (await self.scene.line(node)).exchange([], Claim(n, [(0, 0)], name), now=0.0)
        assert answer.claimed is not None
        return answer.claimed

    async def events(self) -> list[dict[str, Any]]:
        return self.scene.look("circuit_events", *EVENT)


def report(job: Job[bytes], result: str, *, name: str = SMTP, duration: float = 0.5, **more: Any) -> Report:
    error = {"error": "ConnectionError", "message": "refused"} if result == "fail" else {}
    return Report(name, job.circuit_gen, job.permit, job.id, job.lease, result, duration, **{**error, **more})  # type: ignore[arg-type]


def past(circuit: Circuit, now: float) -> None:
    """As if its time to be open were over."""
    if circuit.until is not None:
        circuit.elapse(max(circuit.until, now))
