"""An incident on three nodes, with five causes at once: each is found within two commands. The page that tells of it is current.

`WRITE_DOCS=1 python -m pytest tests/integration/processes/test_incident.py` writes docs/how-to/incident.md anew.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.integration.cli.shop import Shop
from tests.support import circuit_jobs, jobs
from tests.support.processes import NodeProcess
from tests.support.stand import write_settings
from tidegate import Tidegate

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "incident.md"
CAUSES = (
    "circuit relay is open",
    "its event loop is blocked",
    " was lost: ",
    " is paused, ",
    " has been open for ",
    "no live node serves",
)
HEAD = """\
# An incident, from the command line

<!-- read only: a test makes this page -->

Three nodes, five things wrong at once: a dependency fails, a job blocks an event loop, a node is frozen, somebody holds a transaction
open, and a queue was paused by mistake. What follows was said by a real fleet: made by
`WRITE_DOCS=1 python -m pytest tests/integration/processes/test_incident.py`, which also holds that each cause is found within two
commands. Names of nodes, ids and times differ each time. The lease is short here (3 s), so that the frozen node is lost at once.

`tidegate doctor` comes first: every finding says what it is, why it matters, and the command to go on with.
"""
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


class Transcript:
    """What was typed and what came, with the names of the page."""

    def __init__(self, shop: Shop, names: dict[str, str]) -> None:
        self._shop = shop
        self._names = names
        self.parts: list[str] = []

    def tell(self, words: str) -> None:
        """Write a sentence between two commands."""
        self.parts.append(f"{words}\n")

    def type(self, *words: str) -> str:
        """Run a command and return what it printed."""
        said = self._shop.run(*words).stdout
        typed = " ".join(["$ tidegate", *words])
        self.parts.append(f"```text\n{self._plain(typed)}\n{self._plain(said).rstrip()}\n```\n")
        return said

    def _plain(self, text: str) -> str:
        for name, plain in self._names.items():
            text = re.sub(rf"\b{re.escape(name)}\b", plain, text)
        text = re.sub(r'File "[^"]*/(\w+\.py)"', r'File ".../\1"', text)
        return "\n".join(line.rstrip()[:150] for line in text.splitlines())


def structure(page: str) -> list[str]:
    """Return what does not change from one incident to the next: what was typed, and what was found of what is wrong here."""
    lines = [line for line in page.splitlines() if line.startswith("$ ") or any(words in line for words in CAUSES)]
    return [re.sub(r"\d+", "#", line) for line in lines]


@pytest.fixture
def shop(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name in [name for name in os.environ if name.startswith("TIDEGATE_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEGATE_DATABASE", database)
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    monkeypatch.chdir(tmp_path)
    config = write_settings(tmp_path, lease=3, kill_after=200)
    told = config.read_text("utf-8").replace("[tests.support.jobs]", "[tests.support.jobs, tests.support.circuit_jobs]")
    config.write_text(f"{told}  forked: {{}}\ncircuits: {{relay: {{minimum: 3, open_for: 600}}}}\n", "utf-8")
    return Shop(tmp_path, database)


def test_each_cause_is_found_within_two_commands(shop: Shop) -> None:
    with ExitStack() as stack:

        def up(queue: str) -> NodeProcess:
            return stack.enter_context(NodeProcess(shop.database, shop.folder, "--queues", queue))

        mailer, blocked, frozen = up("email"), up("analytics"), up("threads")
        tide = stack.enter_context(Tidegate.connect_sync(shop.database, config=shop.folder / "queues.yaml"))
        (shop.folder / "down").touch()
        failing = [tide.enqueue(circuit_jobs.send.call(n).options(max_attempts=1)) for n in range(3)]
        shop.until(lambda: all(shop.state(job) == "dead" for job in failing))
        held = tide.enqueue(jobs.blocking_note.call(1, 600.0).options(queue="threads"))
        shop.until(lambda: shop.state(held) == "running")
        blocking = tide.enqueue(jobs.blocks_the_loop.call(280.0).options(queue="analytics"))
        shop.until(lambda: shop.state(blocking) == "running")
        frozen.signal(signal.SIGSTOP)
        stack.callback(frozen.signal, signal.SIGCONT)
        shop.run("queues", "pause", "email")
        waiting = tide.enqueue(circuit_jobs.send.call(4))
        holder = stack.enter_context(psycopg.connect(shop.database))
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM tidegate.jobs")

        def found() -> set[str]:
            said = json.loads(shop.run("doctor", "--old-transaction", "1", "--json").stdout)
            return {finding["check"] for finding in said}

        wanted = {"loop_blocked", "lost", "transactions", "paused", "circuit"}
        shop.until(lambda: wanted <= found(), what="the doctor to find it")
        names = {mailer.node(): "node-a", blocked.node(): "node-b", frozen.node(): "node-c"}
        names |= {str(holder.info.backend_pid): "4711", platform.node(): "web1"}
        transcript = Transcript(shop, names)
        transcript.type("doctor", "--old-transaction", "1")
        transcript.tell("Who blocks the event loop of node-b, and where:")
        assert "time.sleep(seconds)" in transcript.type("workers", "stacks", blocked.node(), str(blocking))
        transcript.tell("What the frozen node held; the others have taken it back already:")
        assert str(held) in transcript.type("workers", "list", "--lost")
        transcript.tell("Why a mail does not go out: for two reasons.")
        explained = transcript.type("jobs", "explain", str(waiting))
        assert "tidegate queues resume email" in explained
        assert "tidegate circuits show relay" in explained
        transcript.tell("What opened the circuit, by which errors and jobs:")
        assert "ConnectionRefusedError" in transcript.type("circuits", "show", "relay")
        transcript.tell("And what died of the dependency that fails: three letters, one cause.")
        assert "ConnectionRefusedError" in transcript.type("dlq", "group")
        blocked.process.kill()
    page = "\n".join([HEAD, *transcript.parts])
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page, "utf-8")
    assert structure(page) == structure(PAGE.read_text("utf-8"))
