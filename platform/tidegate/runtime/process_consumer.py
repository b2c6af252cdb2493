"""The consumer whose calls run in a process of its own: it is up once the process is warm, and asks for more once one is again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.jobs import Job
from tidegate.runtime.job_consumer import JobConsumer
from tidegate.runtime.processes.process_runner import ProcessRunner
from tidegate.runtime.queue_session import QueueSession
from tidegate.settings import QueueSettings
from tidegate.stages import Batch, Source
from tidegate.supervision import Reason

__all__ = ["ProcessConsumer"]


class ProcessConsumer(JobConsumer):
    """One consumer of a queue with `executor: process`."""

    def __init__(
        self,
        number: int,
        queue: QueueSettings,
        source: Source[Job[bytes]] | Source[Batch[Job[bytes]]],
        *,
        batches: bool = False,
        session: QueueSession,
        runner: ProcessRunner,
        **common: Any,
    ) -> None:
        super().__init__(number, queue, source, batches=batches, session=session, runner=runner, **common)
        self._process = runner

    @property
    def pid(self) -> int | None:
        """The process's id; None while it has none."""
        return self._process.pid

    def describe(self) -> Mapping[str, object]:
        """Return the stage's state for introspection."""
        return {**super().describe(), "pid": self._process.pid}

    async def init(self) -> None:
        """Have a warm process before the first job is asked for."""
        await super().init()
        await self._process.start()

    async def terminate(self, reason: Reason) -> None:
        """End the process with its consumer."""
        await super().terminate(reason)
        await self._process.stop()

    def kill(self) -> None:
        """Kill the process with its consumer."""
        super().kill()
        self._process.kill()

    async def run_batch(self, batch: list[Job[bytes]]) -> None:
        """Run one call; replace a process that did not survive it, or has served long enough, before more is asked for."""
        await super().run_batch(batch)
        if not self.stopping:
            await self._process.renew()
