"""What becomes of a process that ends while it has nothing to do."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tidegate.backoff import constant
from tidegate.runtime.processes.process_runner import ProcessRunner
from tidegate.runtime.processes.wire import Order
from tidegate.supervision import DynamicSupervisor, NotRunning, Shutdown
from tidegate.testing import run_virtual

ORDER = Order(
    "heavy", "n1", "postgresql://", (), ".", timeout=1.0, kill_after=1.0, max_attempts=1, backoff=constant(1), poison_after=3,
    max_result=1, memory=0, with_locals=False, seed=1,
)  # fmt: skip


class Ended(SimpleNamespace):
    """A process that is no more."""

    pid, alive, spent = 77, False, False

    async def join(self):
        return Shutdown("signal 9")


def runner_under(processes: DynamicSupervisor) -> Any:
    queue: Any = SimpleNamespace(kill_after=1.0, max_log=1024)
    nothing: Any = {"handlers": None, "settlement": None, "runs": None}
    runner: Any = ProcessRunner("heavy-1", queue, ORDER, **nothing, processes=processes, emit=lambda _: None, rng=Random(1))
    runner._process = Ended()
    return runner


@pytest.mark.parametrize("supervisor", ["ended", "never started"])
def test_nobody_replaces_an_idle_process_when_its_supervisor_has_ended(supervisor, caplog):
    async def main():
        processes = DynamicSupervisor(name="processes")
        if supervisor == "ended":
            await processes.start()
            await processes.stop()
        runner = runner_under(processes)
        await runner._watch(runner._process)
        with pytest.raises(NotRunning):
            await runner.start()

    run_virtual(main())
    assert "process 77 ended while idle (signal 9); it is replaced" in caplog.text
